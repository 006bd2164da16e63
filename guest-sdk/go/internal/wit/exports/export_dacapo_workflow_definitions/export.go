// Package export_dacapo_workflow_definitions is what the generated code calls to ask for the
// definitions of the module.
package export_dacapo_workflow_definitions

import "dacapo/internal/wit/imports/dacapo_workflow_definitions"

// Definitions is set by the SDK.
var Definitions func() dacapo_workflow_definitions.ModuleDefinitions
