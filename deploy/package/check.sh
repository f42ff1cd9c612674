#!/usr/bin/env bash
# Installs a package on a clean Debian 12 root made with debootstrap, tests it there, removes it, and looks that
# recordings, keys and configuration stayed. Needs root, debootstrap and a Debian mirror (the one of this machine's apt).
#   deploy/package/check.sh dist/scrubcam_*_amd64.deb [KEPT_ROOT]     KEPT_ROOT: a clean root to begin from, made if absent
set -euo pipefail
package="$(readlink -f "$1")"
kept="${2:-}"
[ "$(id -u)" = 0 ] || { echo "This makes a Debian root: it must be run by root." >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "Install debootstrap first." >&2; exit 1; }

root="$(mktemp -d /var/tmp/scrubcam-root-XXXXXX)"
chmod 755 "$root"  # a system's root folder is open to its users
say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive "$@"; }
clean_up() {
  for place in dev proc; do mountpoint -q "$root/$place" && umount -l "$root/$place"; done
  rm -rf --one-file-system "$root"
}
trap clean_up EXIT

mirror="$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | awk '/ bookworm$/ {print $1; exit}')"
mirror="${mirror:-http://deb.debian.org/debian}"
if [ -n "$kept" ] && [ -e "$kept/etc/debian_version" ]; then
  say "A clean Debian 12 root: a copy of $kept"
  cp -a "$kept/." "$root/"
else
  say "A clean Debian 12 root (debootstrap, minbase)"
  debootstrap --variant=minbase bookworm "$root" "$mirror" >/dev/null
  [ -z "$kept" ] || cp -a "$root/." "$kept/"
fi
for place in dev proc; do mount --bind "/$place" "$root/$place"; done
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true

say "apt-get install ./$(basename "$package")"
cp "$package" "$root/var/tmp/"
inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends "/var/tmp/$(basename "$package")" >"$root/var/tmp/apt.log" 2>&1 ||
  { tail -n 40 "$root/var/tmp/apt.log"; exit 1; }
grep '^scrubcam' "$root/var/tmp/apt.log" || true
inside dpkg --status scrubcam | sed -n '/^Status/p;/^Version/p'
inside dpkg --verify scrubcam
inside scrubcam --version

say "As every user there is: the files belong to root, the folders to the unit's users"
inside stat -c '%A %U:%G %n' /etc/scrubcam /var/lib/scrubcam /var/lib/scrubcam/state /var/lib/scrubcam-agent /usr/lib/scrubcam
inside find /usr/lib/scrubcam /usr/share/scrubcam ! -user root -print | { ! grep .; }
inside systemctl is-enabled scrubcam.target scrubcam-recorder.service scrubcam-agent.service
inside systemd-analyze verify --man=no scrubcam.target 2>&1 | { ! grep scrubcam; }
for unit in recorder agent; do
  inside systemd-analyze security --offline=true "/usr/lib/systemd/system/scrubcam-$unit.service" | tail -n 1
done

say "scrubcam selftest, as the recorder's own user"
inside runuser -u scrubcam -- scrubcam selftest

say "scrubcam provision, twice: the second run changes nothing; the self-test with the unit's own configuration"
for key in archive escrow; do inside scrubcam keys new "$key" --dir /root/keys >/dev/null; done
provision=(inside scrubcam provision --no-ask --name or-1 --source scene:// --archive-key /root/keys/archive.pub
  --escrow-key /root/keys/escrow.pub)
"${provision[@]}"
before="$(inside sha256sum /etc/scrubcam/scrubcam.toml /var/lib/scrubcam/state/device.key)"
"${provision[@]}" --no-test >/dev/null
[ "$before" = "$(inside sha256sum /etc/scrubcam/scrubcam.toml /var/lib/scrubcam/state/device.key)" ]
inside stat -c '%A %U:%G %n' /etc/scrubcam/scrubcam.toml /var/lib/scrubcam/state/device.key

say "Removing and purging it keeps what belongs to the site"
echo kept >"$root/var/lib/scrubcam/recordings/one.scrub"
inside apt-get purge -y -qq scrubcam >"$root/var/tmp/apt.log" 2>&1 || { tail -n 40 "$root/var/tmp/apt.log"; exit 1; }
grep '^scrubcam' "$root/var/tmp/apt.log" || true
for file in /etc/scrubcam/scrubcam.toml /var/lib/scrubcam/state/device.key /var/lib/scrubcam/recordings/one.scrub; do
  [ -s "$root$file" ] || { echo "the removal took $file away" >&2; exit 1; }
done
[ ! -e "$root/usr/lib/scrubcam" ] || { echo "the removal left:"; find "$root/usr/lib/scrubcam" | head; exit 1; }
say "All held"
