;; Python orders a set of texts by hashes, which depend on a seed that it draws when it starts: here,
;; when the component is built. This library is linked beside Python's own and sets the variables by
;; which Python is told its seed, before Python starts, so that every build has the same; and tells
;; it to write no compiled files, as sets in those may have another order.
(module
  (@dylink.0 (mem-info (memory 64 0)))
  (import "env" "memory" (memory 1))
  (import "env" "__memory_base" (global $base i32))
  (import "env" "setenv" (func $setenv (param i32 i32 i32) (result i32)))
  (func $set (param $name i32) (param $value i32)
    (drop (call $setenv
      (i32.add (global.get $base) (local.get $name))
      (i32.add (global.get $base) (local.get $value))
      (i32.const 1))))
  (func (export "__wasm_call_ctors")
    (call $set (i32.const 0) (i32.const 15))
    (call $set (i32.const 17) (i32.const 41)))
  (data (global.get $base)
    "PYTHONHASHSEED\00" "0\00"
    "PYTHONDONTWRITEBYTECODE\00" "1\00"))
