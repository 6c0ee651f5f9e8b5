"""Messages as JSON to any URL."""

from typecase.integrations.webhook.receiver import Webhook

__all__ = ["Webhook"]
