package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

var (
	// ErrCursorDamaged is matched by the error of a [FileCursor] whose file is no
	// cursor, or not a whole one. Nothing is guessed: put the file back from a
	// backup, or remove it to start without a position.
	ErrCursorDamaged = errors.New("client: cursor: the file is damaged, or not a cursor: restore it, or remove it to start without a position")

	// ErrCursorInUse is matched by the error of [NewFileCursor] for a file that
	// another FileCursor has, in this process or another. Give each stream a file of
	// its own.
	ErrCursorInUse = errors.New("client: cursor: the file is in use by another stream: give each a file of its own")
)

// maxCursorID is the longest id a file holds, in bytes. No server takes a header as
// long.
const maxCursorID = 64 << 10

// A FileCursor is a [Cursor] in a file of its own. Its methods may be called by any
// goroutine; they take no notice of their context.
//
// The file is never written over: Save writes another beside it (its name with .tmp
// added), has it on the disk (fsync), gives it the file's name, and has the directory on the
// disk. So it survives the end of the process at any moment, and where fsync means
// what it says (on Windows, where a directory cannot be synced, all but its last
// Save) the end of power too. A Save costs two such waits: [SaveEvery].
//
// The file holds one id of at most 64 KiB, its length and a checksum.
type FileCursor struct {
	path string

	mu   sync.Mutex
	lock *os.File // nil once closed
}

// NewFileCursor returns the cursor in the file at path, which need not exist; its
// directory must. It belongs to one FileCursor at a time: the file with .lock added
// is locked until Close or the end of the process, and stays where it is. (Systems
// that know neither flock nor Windows' sharing modes do not lock: there it is the
// caller's to see to it.)
//
// A file that is no cursor is an error here already, and never taken for none.
func NewFileCursor(path string) (*FileCursor, error) {
	abs, err := filepath.Abs(path) // it stays the same when the process changes its directory
	if err != nil {
		return nil, cursorError("open", "", err)
	}
	lock, err := lockFile(abs + ".lock")
	if err != nil {
		return nil, cursorError("open", "", &cursorFileError{abs, err})
	}
	c := &FileCursor{path: abs, lock: lock}
	if _, err := c.read(); err != nil {
		lock.Close()
		return nil, cursorError("open", "", err)
	}
	return c, nil
}

// Load reads the file. The id is "" when there is none.
func (c *FileCursor) Load(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.open()
	var id string
	if err == nil {
		id, err = c.read()
	}
	if err != nil {
		return "", cursorError("load", "", err)
	}
	return id, nil
}

// Save replaces the file. If it fails, the file holds the id before, or this one.
func (c *FileCursor) Save(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.open()
	switch {
	case err != nil:
	case len(id) > maxCursorID:
		err = fmt.Errorf("%s: the id has %d bytes, more than %d", c.path, len(id), maxCursorID)
	default:
		err = c.write(encodeCursor(id))
	}
	if err != nil {
		return cursorError("save", id, err)
	}
	return nil
}

// Close lets go of the file for others. Load and Save then fail with [os.ErrClosed].
// A second call does nothing.
func (c *FileCursor) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock == nil {
		return nil
	}
	err := c.lock.Close()
	c.lock = nil
	if err != nil {
		return cursorError("close", "", err)
	}
	return nil
}

func (c *FileCursor) open() error {
	if c.lock == nil {
		return fmt.Errorf("%s: %w", c.path, os.ErrClosed)
	}
	return nil
}

func (c *FileCursor) read() (string, error) {
	f, err := os.Open(c.path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCursorID+1024)) // more than any cursor has
	if err != nil {
		return "", err
	}
	id, ok := decodeCursor(b)
	if !ok {
		return "", &cursorFileError{c.path, ErrCursorDamaged}
	}
	return id, nil
}

func (c *FileCursor) write(b []byte) error {
	tmp := c.path + ".tmp"
	// What a killed process has left, or somebody's link to elsewhere.
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync() // before the rename, or a crash could leave the name on an empty file
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, c.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(c.path))
}

// A cursorFileError adds the file's path to an error.
type cursorFileError struct {
	path string
	err  error
}

func (e *cursorFileError) Error() string {
	return e.path + ": " + strings.TrimPrefix(e.err.Error(), "client: cursor: ") // the CursorError around it says that
}

func (e *cursorFileError) Unwrap() error { return e.err }

// A cursor file is a line with the format's name, the checksum (CRC-32C) and the
// length of the id, then the id and a line feed.
const cursorFormat = "fluxwire-cursor-1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeCursor(id string) []byte {
	return fmt.Appendf(nil, "%s %08x %d\n%s\n", cursorFormat, crc32.Checksum([]byte(id), castagnoli), len(id), id)
}

func decodeCursor(b []byte) (id string, ok bool) {
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	rest, ok = bytes.CutSuffix(rest, []byte("\n"))
	if !ok {
		return "", false
	}
	// There is one way to write an id, and whatever else the file holds is damage.
	id = string(rest)
	return id, len(id) <= maxCursorID && bytes.Equal(b, encodeCursor(id))
}
