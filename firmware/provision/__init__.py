"""Makes a unit out of an installed package: its identity, its keys' places, its configuration."""
