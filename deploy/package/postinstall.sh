#!/bin/sh
# After an installation or upgrade. dpkg calls it with "configure" and the
# version that was there before, if any; rpm with the number of versions that
# are installed then. Where systemd does not run, as in containers and images,
# there is nothing to do; where dpkg installs to another root (DPKG_ROOT), the
# machine outside is left alone. None of this may make the installation fail.
#
# The service is not started: a meter reads everybody's packets, and until the
# configuration says of which interface, it would have nothing to do. A service
# that runs is restarted, since its program is another now.

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers ${DPKG_ROOT:+--root="$DPKG_ROOT"} meter.conf || true
fi
[ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ] || exit 0
systemctl daemon-reload || true
case "$1:$2" in
configure:?* | 2:*)
	systemctl try-restart meter.service || true
	;;
esac
exit 0
