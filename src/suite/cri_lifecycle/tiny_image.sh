# Makes an image of one empty layer and imports it.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p image/blobs/sha256
# blob FILE: moves it to its digest's name; then "$digest" and "$size" are its.
blob() {
	digest=sha256:$(sha256sum "$1" | cut -d ' ' -f 1)
	size=$(($(wc -c < "$1")))
	mv "$1" "image/blobs/sha256/${digest#sha256:}"
}
tar -cf layer.tar -T /dev/null
blob layer.tar
layer=$digest layer_size=$size
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac
cat > config.json <<END
{"architecture":"$arch","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["$layer"]}}
END
blob config.json
cat > manifest.json <<END
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"$digest","size":$size},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"$layer","size":$layer_size}]}
END
blob manifest.json
cat > image/index.json <<END
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"$digest","size":$size,"platform":{"architecture":"$arch","os":"linux"},"annotations":{"io.containerd.image.name":"bellwether.invalid/tiny:1","org.opencontainers.image.ref.name":"1"}}]}
END
echo '{"imageLayoutVersion":"1.0.0"}' > image/oci-layout
tar -cf image.tar -C image .
import image.tar
