//! A look at the bytes of an upload before anything costly is done with them.
//!
//! Reading is linear in the bytes; compiling is not. What makes compilers slow is
//! counted here, and refused where no program that a toolchain writes comes near
//! it. What passes is compiled under limits of time and memory all the same.

mod function;

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use dacapo_model::text::shown;
use wasmparser::{ComponentTypeRef, Parser, Payload};

use super::inspect;
use crate::linker::{Interface, unknown_import};
use crate::trap::rejected;

/// Core modules of one component. CPython, which is linked from shared libraries,
/// has some 20.
const MODULES_MAX: u64 = 200;

/// Components inside of a component.
const COMPONENTS_MAX: u64 = 100;

/// How deep they are inside of each other.
const DEPTH_MAX: usize = 16;

/// Functions of all modules. Each costs the compiler some 7 kB, however small it is;
/// SpiderMonkey and CPython have some 30,000.
const FUNCTIONS_MAX: u64 = 100_000;

/// Entries of one kind in the sections of all modules and components: types,
/// imports, exports, instances and the like.
const ENTRIES_MAX: u64 = 500_000;

/// What the component itself imports and exports: interfaces.
const INTERFACES_MAX: u64 = 1_000;

/// What was counted so far.
#[derive(Default)]
struct Survey<'a> {
    modules: u64,
    components: u64,
    functions: u64,
    entries: u64,
    /// How deep inside of the component the reader is.
    depth: usize,
    /// Functions of the current module.
    in_module: u64,
    exports: Vec<&'a str>,
    imports: Vec<(&'a str, ComponentTypeRef)>,
}

/// Refuses what is no component of ours, or would cost too much to compile.
pub(super) fn survey(bytes: &[u8]) -> Result<(), ModuleRejected> {
    let mut survey = Survey::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        survey.note(payload)?;
    }
    survey.check_interfaces()
}

impl<'a> Survey<'a> {
    fn note(&mut self, payload: Payload<'a>) -> Result<(), ModuleRejected> {
        match payload {
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                self.in_module = 0;
                self.enter()?;
                bound("core modules", self.modules, MODULES_MAX)
            }
            Payload::ComponentSection { .. } => {
                self.components += 1;
                self.enter()?;
                bound("components inside of it", self.components, COMPONENTS_MAX)
            }
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            Payload::CodeSectionStart { count, .. } => {
                self.functions = self.functions.saturating_add(u64::from(count));
                bound("functions", self.functions, FUNCTIONS_MAX)
            }
            Payload::CodeSectionEntry(body) => {
                self.in_module += 1;
                function::check(&body).map_err(|problem| self.refuse_function(problem))
            }
            Payload::ComponentExportSection(section) if self.depth == 0 => {
                bound("exports", u64::from(section.count()), INTERFACES_MAX)?;
                for export in section {
                    self.exports.push(export.map_err(|error| invalid(&error))?.name.name);
                }
                self.entries(self.exports.len())
            }
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                bound("imports", u64::from(section.count()), INTERFACES_MAX)?;
                for import in section {
                    let import = import.map_err(|error| invalid(&error))?;
                    self.imports.push((import.name.name, import.ty));
                }
                self.entries(self.imports.len())
            }
            other => self.entries(entries(&other)),
        }
    }

    fn enter(&mut self) -> Result<(), ModuleRejected> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_complex(format!(
                "the component has components inside of each other, {} levels deep; at most \
                 {DEPTH_MAX} are allowed",
                self.depth
            )));
        }
        Ok(())
    }

    fn entries(&mut self, count: usize) -> Result<(), ModuleRejected> {
        self.entries = self.entries.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        bound("types, imports, exports and instances", self.entries, ENTRIES_MAX)
    }

    /// The world is known by the names alone; what is under them is looked at once
    /// it is compiled.
    fn check_interfaces(&self) -> Result<(), ModuleRejected> {
        inspect::check_exports(|name| self.exports.contains(&name))?;
        for (name, item) in &self.imports {
            match (Interface::parse(name), item) {
                (Some(_), ComponentTypeRef::Instance(_)) | (_, ComponentTypeRef::Type(_)) => {}
                _ => return Err(unknown_import(name)),
            }
        }
        Ok(())
    }

    fn refuse_function(&self, problem: function::Problem) -> ModuleRejected {
        match problem {
            function::Problem::Invalid(error) => invalid(&error),
            function::Problem::TooComplex(problem) => too_complex(format!(
                "function {} of core module {} {problem}. No compiler of a common language writes \
                 such a function: split it",
                self.in_module, self.modules
            )),
        }
    }
}

/// Entries of the sections that are only counted.
fn entries(payload: &Payload<'_>) -> usize {
    let count = match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::FunctionSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        _ => 0,
    };
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn bound(what: &str, count: u64, max: u64) -> Result<(), ModuleRejected> {
    if count <= max {
        return Ok(());
    }
    Err(too_complex(format!("the component has {count} {what}; at most {max} are allowed")))
}

fn too_complex(message: String) -> ModuleRejected {
    rejected(ErrorCode::ModuleTooComplex, message)
}

fn invalid(error: &wasmparser::BinaryReaderError) -> ModuleRejected {
    rejected(
        ErrorCode::ModuleInvalid,
        format!(
            "the module is not a valid WebAssembly component: {} (at byte {})",
            shown(error.message()),
            error.offset()
        ),
    )
}

#[cfg(test)]
mod tests;
