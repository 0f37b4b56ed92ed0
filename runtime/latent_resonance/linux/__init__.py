"""Linux interfaces: Unix sockets, systemd, real-time priority, temperatures, atomic files."""
