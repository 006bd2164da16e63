// Package export_dacapo_workflow_workflow is what the generated code calls to run a workflow.
package export_dacapo_workflow_workflow

import "dacapo/internal/wit/imports/dacapo_workflow_workflow"

// Run is set by the SDK.
var Run func(workflowType string, input []uint8) dacapo_workflow_workflow.Outcome
