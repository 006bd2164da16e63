// Package export_dacapo_workflow_activity is what the generated code calls to run an activity.
package export_dacapo_workflow_activity

import (
	"dacapo/internal/wit/imports/dacapo_workflow_types"
	"dacapo/internal/wit/types"
)

// Execute is set by the SDK.
var Execute func(activityType string, input []uint8) types.Result[[]uint8, dacapo_workflow_types.Failure]
