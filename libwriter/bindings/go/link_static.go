//go:build ringside_static

package ringside

// The archive alone, so that the program does not need the shared library where it runs. Folders that the compiler does
// not search by itself come from CGO_CFLAGS and CGO_LDFLAGS (README.md).

// #cgo LDFLAGS: -l:libringside.a
import "C"
