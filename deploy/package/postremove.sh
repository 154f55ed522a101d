#!/bin/sh
# After a removal. dpkg --purge also takes away what the service has kept:
# spools and the files that it wrote. rpm has no such step.

if [ "$1" = purge ]; then
	rm -rf "$DPKG_ROOT/var/lib/meter" "$DPKG_ROOT/var/lib/private/meter"
fi
[ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ] || exit 0
systemctl daemon-reload || true
exit 0
