# Makes root.img, vmlinuz, initrd.img and packages of rootfs.tar, in the current folder.
set -eu
mkdir rootfs
if [ "$1" = private ]; then
    mount -t tmpfs -o mode=0755,size=4g tmpfs rootfs
fi
tar -xf rootfs.tar -C rootfs --numeric-owner --same-permissions --exclude='./dev/*'
rm rootfs.tar
mv rootfs/boot/vmlinuz-* vmlinuz
mv rootfs/boot/initrd.img-* initrd.img
mv rootfs/usr/lib/bellwether/packages packages
chmod 0644 vmlinuz initrd.img packages
# Here and not in the image's last step, because mmdebstrap empties this file afterwards; with an empty file systemd does
# not take the first boot for one, and the unit presets that Ignition writes are never applied.
echo uninitialized > rootfs/etc/machine-id
echo 'nameserver 127.0.0.1' > rootfs/etc/resolv.conf
# Small: each node's disk is larger, and the file system grows to it at first boot.
truncate -s 3G root.img
mkfs.ext4 -q -F -L root -E lazy_itable_init=0,lazy_journal_init=0,nodiscard -d rootfs root.img
if [ "$1" = private ]; then
    umount rootfs
fi
rm -rf rootfs
