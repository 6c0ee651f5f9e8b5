"""Weather stations that answer over HTTP."""

from typing import Any
from urllib.parse import urlencode, urljoin

from pydantic import SecretStr

from typecase.blocks import Block, BlockType, field


class WeatherStation(Block):
    """A weather station and the key that its service asks for."""

    __block__ = BlockType(slug="weather-station", title="Weather station", icon="weather")

    station: str = field(help="The station's code", example="KSFO", pattern="^[A-Z]{4}$")
    service: str = field("https://weather.example.com/", help="Where the service is", advanced=True)
    api_key: SecretStr = field(help="The key that the service gave you", group="Sign-in")

    def latest(self) -> dict[str, Any]:
        """Return the latest observation."""
        import httpx  # here, so that listing blocks imports nothing

        query = urlencode({"station": self.station})
        headers = {"Authorization": f"Bearer {self.api_key.get_secret_value()}"}
        answer = httpx.get(urljoin(self.service, f"latest?{query}"), headers=headers)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result
