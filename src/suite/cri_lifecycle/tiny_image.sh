# Makes an image of one empty layer and imports it.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
tar -cf layer.tar -T /dev/null
layer=$(sha256sum layer.tar | cut -d ' ' -f 1)
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac
cat > config.json <<END
{"architecture":"$arch","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
END
cat > manifest.json <<END
[{"Config":"config.json","RepoTags":["bellwether.invalid/tiny:1"],"Layers":["layer.tar"]}]
END
tar -cf image.tar manifest.json config.json layer.tar
ctr -n k8s.io images import --local=true image.tar
