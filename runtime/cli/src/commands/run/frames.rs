//! A backtrace as somebody reads it who looks for a line of their own code.

/// Crates that are below or around the code of a module: the SDK, what it generates, and
/// what every Rust program has in it.
const CRATES: [&str; 8] =
    ["dacapo", "std", "core", "alloc", "__rustc", "compiler_builtins", "hashbrown", "wit_bindgen"];

/// Functions without a crate that come with a language or its C library.
const FUNCTIONS: [&str; 11] = [
    "abort",
    "calloc",
    "dlmalloc",
    "free",
    "malloc",
    "memcpy",
    "memmove",
    "memset",
    "realloc",
    "rust_begin_unwind",
    "rust_panic",
];

/// The frames without those of the SDK and of the language, one per line, where there are
/// others; and how many are left out.
pub(crate) fn shown_frames(backtrace: &str) -> String {
    own_frames(backtrace).unwrap_or_else(|| backtrace.to_owned())
}

/// The same; none if there is no frame of the module.
pub(crate) fn own_frames(backtrace: &str) -> Option<String> {
    let (own, others): (Vec<&str>, Vec<&str>) = backtrace.lines().partition(|frame| is_own(frame));
    if own.is_empty() {
        return None;
    }
    if others.is_empty() {
        return Some(backtrace.to_owned());
    }
    let left_out = others.len();
    let frames = if left_out == 1 { "frame" } else { "frames" };
    Some(format!(
        "{}\n({left_out} {frames} of the SDK and the language left out; --output json shows all)",
        own.join("\n")
    ))
}

/// Whether a frame, `module!function`, is code of whoever wrote the module, or of a library
/// that they chose.
fn is_own(frame: &str) -> bool {
    let function = frame.split_once('!').map_or(frame, |(_, function)| function);
    // The compiler made it, and nobody gave it a name.
    if function.starts_with("<wasm function") {
        return false;
    }
    // `<a::B as c::D>::e` is code of `a`.
    let path = function.trim_start_matches(|sign| "<&*[(".contains(sign));
    let path = ["mut ", "const ", "dyn "].iter().fold(path, |path, word| {
        path.strip_prefix(word).map_or(path, |rest| rest.trim_start_matches('<'))
    });
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let root_length = path.find(|letter| !is_word(letter)).unwrap_or(path.len());
    let (root, rest) = path.split_at(root_length);
    if rest.starts_with("::") || rest.starts_with('[') {
        return !CRATES.contains(&root);
    }
    // What is exported has the name of its interface: `dacapo:workflow/workflow#run`.
    let is_generated = path.contains('#') || path.starts_with("__") || path.starts_with("cabi_");
    !is_generated && !FUNCTIONS.contains(&root)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANIC: &str = "\
checkout.wasm!abort
checkout.wasm!std::process::abort::h0
checkout.wasm!__rustc::__rust_start_panic
checkout.wasm!rust_begin_unwind
checkout.wasm!std[d123b7a1a2ed1472]::sys::backtrace::__rust_end_short_backtrace::<F, !>
checkout.wasm!core::panicking::panic_fmt::h1
checkout.wasm!<alloc::boxed::Box<F> as core::ops::function::FnOnce>::call_once
checkout.wasm!checkout::prices::total::{{closure}}
checkout.wasm!<checkout::ship as dacapo::module::Workflow>::start::{{closure}}
checkout.wasm!<checkout::Order as core::fmt::Display>::fmt
checkout.wasm!<&mut checkout::Order as core::future::future::Future>::poll
checkout.wasm!<&mut core::pin::Pin<P> as core::future::future::Future>::poll
checkout.wasm!dacapo::executor::go_on
checkout.wasm!dacapo::module::run_workflow
checkout.wasm!dacapo:workflow/workflow@0.1.0#run";

    #[test]
    fn the_frames_of_the_module_come_first_and_alone() {
        let expected = "\
checkout.wasm!checkout::prices::total::{{closure}}
checkout.wasm!<checkout::ship as dacapo::module::Workflow>::start::{{closure}}
checkout.wasm!<checkout::Order as core::fmt::Display>::fmt
checkout.wasm!<&mut checkout::Order as core::future::future::Future>::poll
(11 frames of the SDK and the language left out; --output json shows all)";
        assert_eq!(shown_frames(PANIC), expected);
    }

    #[test]
    fn other_languages_have_functions_without_a_crate() {
        assert!(is_own("main.wasm!ship_order") && is_own("main.wasm!main.shipOrder"));
        assert!(is_own("ship_order") && !is_own("memcpy"));
    }

    #[test]
    fn what_has_no_frame_of_the_module_is_shown_whole() {
        let frames = "m!core::panicking::panic_fmt\nm!dacapo::executor::go_on";
        assert_eq!(shown_frames(frames), frames);
        assert_eq!(own_frames(frames), None);
        assert_eq!(shown_frames("m!checkout::run"), "m!checkout::run");
        let waiting = "<unknown>!<wasm function 8>\nm!dacapo::executor::go_on\nm!checkout::run";
        assert!(shown_frames(waiting).starts_with("m!checkout::run\n(2 frames"));
    }
}
