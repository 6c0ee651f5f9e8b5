"""Who may do what: permissions, principals and their roles, and what they sign in with."""
