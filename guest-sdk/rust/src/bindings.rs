//! Generated from `wit/`; nothing here is written by hand.

wit_bindgen::generate!({
    path: "../../wit",
    world: "queryable-module",
    pub_export_macro: true,
    export_macro_name: "export_module",
    default_bindings_module: "::dacapo::__private::bindings",
    runtime_path: "::dacapo::__private::wit_bindgen::rt",
});
