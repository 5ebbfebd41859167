//! Names and label values for the C ABI, on the stack: registering allocates nothing.

use std::os::raw::c_char;
use std::ptr;

use ringside_sys as sys;

use crate::error::{Error, EINVAL};

const LABELS: usize = sys::RSIDE_MAX_LABELS as usize;
// One byte more than the library takes, and a NUL: a text that is too long stays so when it is cut to fit.
const NAME_BYTES: usize = sys::RSIDE_MAX_NAME_BYTES as usize + 2;
const VALUE_BYTES: usize = sys::RSIDE_MAX_LABEL_VALUE_BYTES as usize + 2;

/// Calls `call` with `metric`, `values` and their number as C has them. Refuses only what C could not see, a NUL: the rest is
/// for the library to check, which counts what it refuses.
pub(crate) fn with_c_texts<R>(
    metric: &str,
    values: &[&str],
    call: impl FnOnce(*const c_char, *const *const c_char, usize) -> R,
) -> Result<R, Error> {
    if let Some(text) = [metric].iter().chain(values).find(|text| text.contains('\0')) {
        let text = format!("metric {metric:?}: {text:?} has a NUL character in it, which C cannot hold; leave it out");
        return Err(Error::new(EINVAL, text));
    }
    let mut name = [0; NAME_BYTES];
    fill(&mut name, metric);
    let mut texts = [[0; VALUE_BYTES]; LABELS];
    let mut pointers = [ptr::null::<c_char>(); LABELS];
    for ((text, pointer), value) in texts.iter_mut().zip(&mut pointers).zip(values) {
        fill(text, value);
        *pointer = text.as_ptr().cast();
    }
    // More values than any metric has labels are refused by their number; null, so that nothing reads past the end.
    let at = if values.len() <= LABELS { pointers.as_ptr() } else { ptr::null() };
    Ok(call(name.as_ptr().cast(), at, values.len()))
}

/// Copies what fits of `text`, and leaves a NUL after it.
pub(crate) fn fill(room: &mut [u8], text: &str) {
    let bytes = text.len().min(room.len() - 1); // The last one stays NUL.
    room[..bytes].copy_from_slice(&text.as_bytes()[..bytes]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn seen(metric: &str, values: &[&str]) -> (String, Vec<String>) {
        with_c_texts(metric, values, |name, at, count| {
            // SAFETY: what C would do with them.
            let text = |at: *const c_char| unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned();
            (text(name), (0..count).map(|i| text(unsafe { *at.add(i) })).collect())
        })
        .expect("no NUL")
    }

    #[test]
    fn texts_arrive_as_they_are() {
        assert_eq!(seen("m", &["a", "", "ü"]), ("m".into(), vec!["a".into(), "".into(), "ü".into()]));
        let sixteen = ["x"; LABELS];
        assert_eq!(seen("m", &sixteen).1.len(), 16);
    }

    #[test]
    fn a_text_too_long_stays_too_long() {
        let (name, values) = seen(&"n".repeat(1000), &[&"v".repeat(255), &"v".repeat(256), &"v".repeat(1000)]);
        assert_eq!(name.len(), 129);
        assert_eq!(values.iter().map(String::len).collect::<Vec<_>>(), [255, 256, 256]);
    }

    #[test]
    fn too_many_values_are_told_by_number_alone() {
        let (null, count) = with_c_texts("m", &["x"; 17], |_, at, count| (at.is_null(), count)).expect("no NUL");
        assert!(null && count == 17);
    }

    #[test]
    fn a_nul_is_refused() {
        for (metric, values) in [("m\0", &["a"][..]), ("m", &["a", "b\0"][..])] {
            let error = with_c_texts(metric, values, |_, _, _| ()).expect_err("a NUL");
            assert_eq!(error.errno(), EINVAL);
            assert!(error.text().contains("NUL"), "{error}");
        }
    }
}
