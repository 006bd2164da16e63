// Package runtime gives the generated code its memory.
//
// What the host hands over is written into memory that cabi_realloc returns, while the host is in the
// middle of a call: nothing there may call the host, as the clock is when a collection of garbage
// begins. So it comes out of an arena, which has room for the largest payload. What does not fit is
// allocated; in a workflow that calls nobody, as the SDK collects garbage between waits only.
//
// Values of the generated code point into the arena. Whoever calls it copies what is to stay, and then
// calls Reset.
package runtime

import (
	"runtime"
	"unsafe"
)

const arenaBytes = 4 << 20

var (
	arena [arenaBytes / 8]uint64
	// Bytes that are taken, and those of them that stay.
	used, kept uintptr
	// What did not fit.
	large [][]uint64
)

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, newSize uintptr) unsafe.Pointer {
	if newSize == 0 {
		return unsafe.Pointer(align)
	}
	to := take(align, newSize)
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(to), newSize), unsafe.Slice((*byte)(old), min(oldSize, newSize)))
	}
	return to
}

func take(align, size uintptr) unsafe.Pointer {
	base := uintptr(unsafe.Pointer(&arena[0]))
	start := (base+used+align-1)&^(align-1) - base
	if start+size > arenaBytes {
		words := make([]uint64, (size+7)/8)
		large = append(large, words)
		return unsafe.Pointer(&words[0])
	}
	used = start + size
	return unsafe.Add(unsafe.Pointer(&arena[0]), start)
}

// Keep says that what is there now stays: what the adapter of WASI and the input of the call need.
func Keep() { kept = used }

// Reset forgets what the host has handed over since Keep.
func Reset() {
	used = kept
	if len(large) > 0 {
		large = nil
	}
}

// Allocate gives memory for what is handed to the host. It stays where it is until it is unpinned.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(align)
	}
	words := make([]uint64, (size+7)/8)
	pinner.Pin(unsafe.Pointer(&words[0]))
	return unsafe.Pointer(&words[0])
}

// Unpin is called once the input of an exported function was read.
func Unpin() {}

// Handle is a thing of the host that this program has; 0 is none.
type Handle struct{ value int32 }

// MakeHandle takes one over.
func MakeHandle(value int32) *Handle { return &Handle{value} }

// Use is the handle, for a call.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("it was given back to the host")
	}
	return h.value
}

// Take hands it over.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// TakeOrNil hands it over, if it is there.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}

// Set puts another one in its place.
func (h *Handle) Set(value int32) { h.value = value }
