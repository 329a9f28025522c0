//! Data URLs: how an Ignition config carries contents inside itself.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::MultiGzDecoder;
use ignition_config::v3_3::Resource;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays readable: characters that no URL parser and no JSON writer touches.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b'_')
    .remove(b'~');

/// A data URL of a text.
pub(super) fn encode(text: &str) -> String {
    format!("data:,{}", utf8_percent_encode(text, ENCODED))
}

/// The bytes of a data URL, still compressed if they are; None for other URLs.
fn decode(url: &str) -> Option<Result<Vec<u8>, String>> {
    let (scheme, rest) = url.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let Some((kind, data)) = rest.split_once(',') else {
        return Some(Err("the data URL has no comma before its data".to_owned()));
    };
    let bytes: Vec<u8> = percent_decode_str(data).collect();
    if !kind.ends_with(";base64") {
        return Some(match broken_escape(data) {
            Some(escape) => Err(format!("`{escape}` in the data URL is no percent-encoding")),
            None => Ok(bytes),
        });
    }
    Some(
        STANDARD
            .decode(bytes)
            .map_err(|error| format!("the data URL is no base64: {error}")),
    )
}

/// The first `%` that is not followed by two hex digits, with what follows it.
fn broken_escape(data: &str) -> Option<&str> {
    data.match_indices('%').find_map(|(at, _)| {
        let digits = data.get(at + 1..at + 3);
        let good = digits.is_some_and(|d| d.chars().all(|c| c.is_ascii_hexdigit()));
        (!good).then(|| {
            data.get(at..at + 3)
                .or_else(|| data.get(at..))
                .unwrap_or("%")
        })
    })
}

/// The contents that a resource carries inside itself, unpacked; None when it has none or names another place.
///
/// # Errors
/// When they are broken: bad percent-encoding, bad base64, bad gzip.
pub fn contents(resource: &Resource) -> Result<Option<Vec<u8>>, String> {
    let Some(decoded) = resource.source.as_deref().and_then(decode) else {
        return Ok(None);
    };
    let bytes = decoded?;
    match resource.compression.as_deref() {
        None | Some("") => Ok(Some(bytes)),
        Some("gzip") => {
            let mut text = Vec::new();
            MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut text)
                .map_err(|error| format!("the contents are no gzip: {error}"))?;
            Ok(Some(text))
        }
        Some(other) => Err(format!(
            "compression `{other}` is not known; it is `gzip` or none"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resource(source: &str, compression: Option<&str>) -> Resource {
        Resource {
            source: Some(source.to_owned()),
            compression: compression.map(str::to_owned),
            ..Resource::default()
        }
    }

    #[test]
    fn plain_base64_and_media_types_are_read() {
        for source in [
            "data:,a%20b",
            "data:text/plain;charset=utf-8,a%20b",
            "data:;base64,YSBi",
            "DATA:text/plain;base64,YSBi",
        ] {
            assert_eq!(
                contents(&resource(source, None)),
                Ok(Some(b"a b".to_vec())),
                "{source}"
            );
        }
        assert_eq!(contents(&resource("https://x/y", None)), Ok(None));
    }

    #[test]
    fn broken_contents_say_how() {
        for (source, compression, said) in [
            ("data:text", None, "no comma"),
            ("data:,a%2", None, "`%2` in the data URL"),
            ("data:,50%zz", None, "`%zz` in the data URL"),
            ("data:;base64,YSB", None, "no base64"),
            ("data:,plain", Some("gzip"), "no gzip"),
            ("data:,plain", Some("zstd"), "`zstd` is not known"),
        ] {
            let error = contents(&resource(source, compression)).unwrap_err();
            assert!(error.contains(said), "{source}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(text in any::<String>()) {
            let url = encode(&text);
            prop_assert!(url.is_ascii() && !url.contains(['"', '\\', ' ', '\n']));
            prop_assert_eq!(contents(&resource(&url, None)), Ok(Some(text.into_bytes())));
        }

        #[test]
        fn no_url_panics(url in any::<String>()) {
            let _ = contents(&resource(&url, Some("gzip")));
            let _ = contents(&resource(&format!("data:{url}"), None));
        }
    }
}
