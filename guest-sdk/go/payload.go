package dacapo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// None is the argument of what takes none, and the result of what returns none.
type None = *struct{}

// encode writes a value as JSON.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// encodeInput is the same for an argument, which may be none.
func encodeInput(value any) ([]byte, error) {
	if none, ok := value.(None); ok && none == nil {
		return nil, nil
	}
	return encode(value)
}

// decode reads one value. Numbers in an `any` keep all of their digits.
func decode(text []byte, into any) error {
	// No bytes at all is how a caller without an argument says null.
	if len(text) == 0 {
		text = []byte("null")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("there is more than one value")
	}
	return nil
}

// decodeAs reads a value of a type, or says what was wrong with what.
func decodeAs[T any](text []byte, what, failureType string) (T, error) {
	var value T
	if err := decode(text, &value); err != nil {
		return value, unfit(what, failureType, err)
	}
	return value, nil
}

func unfit(what, failureType string, err error) *Failure {
	message := fmt.Sprintf("%s does not fit: %v", what, err)
	return &Failure{Type: failureType, Message: message, NonRetryable: true}
}

// clone copies what is in memory that the next call of the host reuses.
func clone(from []byte) []byte { return slices.Clone(from) }
