// Package export_dacapo_workflow_after_end is what the generated code calls to answer a query of a run
// that has returned.
package export_dacapo_workflow_after_end

import (
	"dacapo/internal/wit/imports/dacapo_workflow_types"
	"dacapo/internal/wit/types"
)

// AnswerQuery is set by the SDK.
var AnswerQuery func(name string, input []uint8) types.Result[[]uint8, dacapo_workflow_types.Failure]
