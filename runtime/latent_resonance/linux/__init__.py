"""What is particular to Linux: sockets, systemd, real-time priority, temperatures, atomic files."""
