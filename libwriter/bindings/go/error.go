package ringside

// #include <ringside/ringside.h>
import "C"

import (
	"fmt"
	"strings"
	"syscall"
)

// Error is what every failed set-up returns: a whole sentence for people, and the error number for programs.
//
//	if errors.Is(err, syscall.EBUSY) { ... } // also errors.Is(err, fs.ErrNotExist) and the like
type Error struct {
	Errno syscall.Errno
	Text  string
}

func (e *Error) Error() string { return "ringside: " + e.Text }

// Unwrap returns the error number.
func (e *Error) Unwrap() error { return e.Errno }

func failure(errno syscall.Errno, format string, args ...any) error {
	return &Error{errno, fmt.Sprintf(format, args...)}
}

// The error of a call that returned `code`, a negative errno.
func errorOf(code C.int, from *C.rside_error) error {
	text := C.GoString(&from.text[0])
	if text == "" {
		text = syscall.Errno(-code).Error()
	}
	return &Error{syscall.Errno(-code), text}
}

// C ends a string at its first NUL: another label value, path or name would be meant than the one that was given.
func checkText(what, text string) error {
	if strings.IndexByte(text, 0) >= 0 {
		return failure(syscall.EINVAL, "%s %q has a NUL in it; leave that out", what, text)
	}
	return nil
}
