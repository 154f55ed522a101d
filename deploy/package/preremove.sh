#!/bin/sh
# Before a removal (dpkg: "remove", rpm: 0) the service is stopped and disabled;
# before an upgrade it runs on.

[ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ] || exit 0
case "$1" in
remove | 0)
	systemctl disable --now meter.service || true
	;;
esac
exit 0
