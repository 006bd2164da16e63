//! The types of `wit/`, and the functions that modules export.
//!
//! Imports are not defined through generated code: which of them a component may
//! call depends on what it runs as, and their names are the component's own.
//! Their types are checked against the component when it is linked.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "queryable-module",
    exports: { default: async },
});
