# Makes root.img, vmlinuz, initrd.img and packages in the current folder. Argument 1 says where the tree is made, the rest are
# mmdebstrap's arguments, whose target is tmp/rootfs.
set -eu
mkdir tmp
if [ "$1" = private ]; then
    # Of this namespace only, so that nothing is left that this user could not remove.
    mount -t tmpfs -o mode=0755,size=8g tmpfs tmp
fi
shift
export TMPDIR="$PWD/tmp"
mmdebstrap "$@"
rootfs=tmp/rootfs
rm -rf --one-file-system $rootfs/dev
mkdir $rootfs/dev
mv $rootfs/boot/vmlinuz-* vmlinuz
mv $rootfs/boot/initrd.img-* initrd.img
mv $rootfs/usr/lib/bellwether/packages packages
chmod 0644 vmlinuz initrd.img packages
# Here and not in the image's last step, because mmdebstrap empties this file afterwards; with an empty file systemd does
# not take the first boot for one, and the unit presets that Ignition writes are never applied.
echo uninitialized > $rootfs/etc/machine-id
echo 'nameserver 127.0.0.1' > $rootfs/etc/resolv.conf
# Small: each node's disk is larger, and the file system grows to it at first boot.
truncate -s 3G root.img
mkfs.ext4 -q -F -L root -E lazy_itable_init=0,lazy_journal_init=0,nodiscard -d $rootfs root.img
rm -rf --one-file-system $rootfs
