//go:build !ringside_static

package ringside

// #cgo pkg-config: ringside
import "C"
