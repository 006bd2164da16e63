// Package types has the types that the generated code is made of.
package types

// Option may hold a value.
type Option[T any] struct {
	tag   uint8
	value T
}

// The tags of an option.
const (
	OptionNone uint8 = iota
	OptionSome
)

// Tag says whether there is a value.
func (o Option[T]) Tag() uint8 { return o.tag }

// Some is the value.
func (o Option[T]) Some() T { return o.value }

// IsSome says whether there is a value.
func (o Option[T]) IsSome() bool { return o.tag == OptionSome }

// Some makes an option with a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// None makes an option without one.
func None[T any]() Option[T] { return Option[T]{} }

// Result is a value or a failure.
type Result[T, E any] struct {
	tag uint8
	ok  T
	err E
}

// The tags of a result.
const (
	ResultOk uint8 = iota
	ResultErr
)

// Tag says which it is.
func (r Result[T, E]) Tag() uint8 { return r.tag }

// Ok is the value.
func (r Result[T, E]) Ok() T { return r.ok }

// Err is the failure.
func (r Result[T, E]) Err() E { return r.err }

// IsErr says whether it is a failure.
func (r Result[T, E]) IsErr() bool { return r.tag == ResultErr }

// Ok makes a result of a value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, ok: value} }

// Err makes a result of a failure.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: err} }

// Unit is the value that says nothing.
type Unit struct{}

// Tuple2 is a pair.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}
