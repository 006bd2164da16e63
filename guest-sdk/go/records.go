package dacapo

import (
	"fmt"
	"strings"
	"time"

	"dacapo/internal/wit/imports/dacapo_workflow_attributes"
	"dacapo/internal/wit/imports/dacapo_workflow_side_effects"
	"dacapo/internal/wit/imports/dacapo_workflow_versions"
	memory "dacapo/internal/wit/runtime"
	"dacapo/internal/wit/types"
)

// Version is the version of a change that the code is to follow from here on, from min to max; 0 is the
// code before the change. A run that comes here for the first time follows max.
func Version(changeID string, min, max uint32) uint32 {
	requireRun()
	return dacapo_workflow_versions.Version(changeID, min, max)
}

// SideEffect is a value as it was computed here the first time. It panics if the value can't be
// written as JSON, or what was recorded is of another type.
func SideEffect[T any](name string, compute func() T) T {
	requireRun()
	return recorded(name, compute, dacapo_workflow_side_effects.RecordedValue(name))
}

// MutableSideEffect is the same, and adds nothing to the history while the value stays what it was.
func MutableSideEffect[T any](name string, compute func() T) T {
	requireRun()
	return recorded(name, compute, dacapo_workflow_side_effects.LatestValue(name))
}

func recorded[T any](name string, compute func() T, known types.Option[[]uint8]) T {
	what := "the value `" + name + "`"
	var text []byte
	if known.IsSome() {
		text = clone(known.Some())
	} else {
		fresh, err := encode(compute())
		if err != nil {
			panic(unfit(what, "InvalidValue", err))
		}
		dacapo_workflow_side_effects.RecordValue(name, fresh)
		text = fresh
	}
	// What a replay will get, also the first time.
	value, err := decodeAs[T](text, what, "InvalidValue")
	if err != nil {
		panic(err)
	}
	return value
}

// UpsertMemo sets values of the memo, and removes those that are nil.
func UpsertMemo(changes map[string]any) error {
	requireRun()
	entries, err := memoToWit(changes)
	if err == nil && len(entries) > 0 {
		dacapo_workflow_attributes.UpsertMemo(entries)
	}
	return err
}

func memoToWit(changes map[string]any) ([]dacapo_workflow_attributes.MemoEntry, error) {
	var entries []dacapo_workflow_attributes.MemoEntry
	for _, name := range sortedKeys(changes) {
		entry := dacapo_workflow_attributes.MemoEntry{Name: name}
		if value := changes[name]; value != nil {
			text, err := encode(value)
			if err != nil {
				return nil, unfit("the memo `"+name+"`", "InvalidInput", err)
			}
			entry.Value = types.Some(string(text))
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// Memo is the memo of this run.
func Memo() map[string]Raw {
	requireRun()
	defer memory.Reset()
	memo := map[string]Raw{}
	for _, entry := range dacapo_workflow_attributes.Memo() {
		if entry.Value.IsSome() {
			memo[strings.Clone(entry.Name)] = Raw(strings.Clone(entry.Value.Some()))
		}
	}
	return memo
}

// Text is a search attribute that is looked into. A string is a keyword, which is compared whole.
type Text string

// UpsertSearchAttributes sets search attributes, and removes those that are nil. A value is a string, a
// []string, a Text, a bool, a time.Time, an int, an int64 or a float64; it panics with others.
func UpsertSearchAttributes(changes map[string]any) {
	requireRun()
	if attributes := searchToWit(changes); len(attributes) > 0 {
		dacapo_workflow_attributes.UpsertSearchAttributes(attributes)
	}
}

func searchToWit(changes map[string]any) []dacapo_workflow_attributes.SearchAttribute {
	var attributes []dacapo_workflow_attributes.SearchAttribute
	for _, name := range sortedKeys(changes) {
		attribute := dacapo_workflow_attributes.SearchAttribute{Name: name}
		if value := changes[name]; value != nil {
			attribute.Value = types.Some(searchValue(name, value))
		}
		attributes = append(attributes, attribute)
	}
	return attributes
}

func searchValue(name string, value any) dacapo_workflow_attributes.SearchValue {
	switch value := value.(type) {
	case string:
		return dacapo_workflow_attributes.MakeSearchValueKeyword(value)
	case []string:
		return dacapo_workflow_attributes.MakeSearchValueKeywordList(value)
	case Text:
		return dacapo_workflow_attributes.MakeSearchValueText(string(value))
	case bool:
		return dacapo_workflow_attributes.MakeSearchValueBoolean(value)
	case time.Time:
		return dacapo_workflow_attributes.MakeSearchValueDatetime(uint64(value.UnixNano()))
	case int:
		return dacapo_workflow_attributes.MakeSearchValueInteger(int64(value))
	case int64:
		return dacapo_workflow_attributes.MakeSearchValueInteger(value)
	case float64:
		return dacapo_workflow_attributes.MakeSearchValueDouble(value)
	default:
		panic(fmt.Sprintf("the search attribute `%s` can't be a %T", name, value))
	}
}

// SearchAttributes are the search attributes of this run, with values as UpsertSearchAttributes takes
// them; whole numbers are an int64.
func SearchAttributes() map[string]any {
	requireRun()
	defer memory.Reset()
	attributes := map[string]any{}
	for _, each := range dacapo_workflow_attributes.SearchAttributes() {
		if each.Value.IsSome() {
			attributes[strings.Clone(each.Name)] = fromSearchValue(each.Value.Some())
		}
	}
	return attributes
}

func fromSearchValue(value dacapo_workflow_attributes.SearchValue) any {
	switch value.Tag() {
	case dacapo_workflow_attributes.SearchValue_Boolean:
		return value.Boolean()
	case dacapo_workflow_attributes.SearchValue_Datetime:
		return time.Unix(0, int64(value.Datetime())).UTC()
	case dacapo_workflow_attributes.SearchValue_Double:
		return value.Double()
	case dacapo_workflow_attributes.SearchValue_Integer:
		return value.Integer()
	case dacapo_workflow_attributes.SearchValue_Text:
		return Text(strings.Clone(value.Text()))
	case dacapo_workflow_attributes.SearchValue_KeywordList:
		var list []string
		for _, each := range value.KeywordList() {
			list = append(list, strings.Clone(each))
		}
		return list
	default:
		return strings.Clone(value.Keyword())
	}
}
