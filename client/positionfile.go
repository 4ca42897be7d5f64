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
	// ErrPositionFileDamaged is matched by the error of a [PositionFile] whose file is
	// damaged, or not a position file. Restore the file from a backup, or remove it to
	// start without a position.
	ErrPositionFileDamaged = errors.New("client: position: the file is damaged, or not a position file: restore it, or remove it to start without a position")

	// ErrPositionFileInUse is matched by the error of [OpenPositionFile] for a file that
	// another PositionFile has open, in this process or another. Give each stream a
	// file of its own.
	ErrPositionFileInUse = errors.New("client: position: the file is in use by another stream: give each a file of its own")
)

// maxStoredID is the longest id that a file can hold, in bytes. No server accepts a
// header of that length.
const maxStoredID = 64 << 10

// A PositionFile is a [PositionStore] that stores the position in a file. Its methods
// may be called concurrently; they ignore their context.
//
// Save never overwrites the file: it writes another file next to it (the name with
// .tmp added), syncs that to disk, renames it, and syncs the directory. So the position
// survives the end of the process at any moment, and also a loss of power, if the file
// system honours fsync (except for the last Save on Windows, where a directory cannot
// be synced). Each Save waits for two syncs; [SaveEvery] limits how often.
//
// The file holds one id of at most 64 KiB, its length and a checksum.
type PositionFile struct {
	path string

	mu   sync.Mutex
	lock *os.File // nil after Close
}

// OpenPositionFile opens the position file at path. The file need not exist; its
// directory must. Only one PositionFile at a time can use a file: it locks a file with
// .lock added to the name until Close or the end of the process, and does not remove
// that file. (On systems with neither flock nor the sharing modes of Windows there is
// no lock; the caller must make sure that nobody else uses the file.)
//
// A file that is damaged, or not a position file, is reported here, and is never treated
// as a missing file.
func OpenPositionFile(path string) (*PositionFile, error) {
	abs, err := filepath.Abs(path) // stays valid when the process changes its directory
	if err != nil {
		return nil, positionError("open", "", err)
	}
	lock, err := lockFile(abs + ".lock")
	if err != nil {
		return nil, positionError("open", "", &positionFileError{abs, err})
	}
	c := &PositionFile{path: abs, lock: lock}
	if _, err := c.read(); err != nil {
		lock.Close()
		return nil, positionError("open", "", err)
	}
	return c, nil
}

// Load reads the file. It returns "" if there is no file.
func (c *PositionFile) Load(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.open()
	var id string
	if err == nil {
		id, err = c.read()
	}
	if err != nil {
		return "", positionError("load", "", err)
	}
	return id, nil
}

// Save replaces the file. If it fails, the file holds either the old id or this one.
func (c *PositionFile) Save(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.open()
	switch {
	case err != nil:
	case len(id) > maxStoredID:
		err = fmt.Errorf("%s: the id has %d bytes, more than %d", c.path, len(id), maxStoredID)
	default:
		err = c.write(encodePosition(id))
	}
	if err != nil {
		return positionError("save", id, err)
	}
	return nil
}

// Close unlocks the file. Load and Save fail with [os.ErrClosed] afterwards. A second
// call does nothing.
func (c *PositionFile) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock == nil {
		return nil
	}
	err := c.lock.Close()
	c.lock = nil
	if err != nil {
		return positionError("close", "", err)
	}
	return nil
}

func (c *PositionFile) open() error {
	if c.lock == nil {
		return fmt.Errorf("%s: %w", c.path, os.ErrClosed)
	}
	return nil
}

func (c *PositionFile) read() (string, error) {
	f, err := os.Open(c.path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStoredID+1024)) // longer than any valid file
	if err != nil {
		return "", err
	}
	id, ok := decodePosition(b)
	if !ok {
		return "", &positionFileError{c.path, ErrPositionFileDamaged}
	}
	return id, nil
}

func (c *PositionFile) write(b []byte) error {
	tmp := c.path + ".tmp"
	// Remove a file that a killed process has left, or a link to somewhere else.
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync() // before the rename, or a crash could leave an empty file under the name
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, c.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(c.path))
}

// A positionFileError adds the file's path to an error.
type positionFileError struct {
	path string
	err  error
}

func (e *positionFileError) Error() string {
	return e.path + ": " + strings.TrimPrefix(e.err.Error(), "client: position: ") // the PositionError around it says that
}

func (e *positionFileError) Unwrap() error { return e.err }

// A position file is a line with the format's name, the checksum (CRC-32C) and the
// length of the id, then the id and a line feed.
const positionFormat = "fluxwire-position-1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodePosition(id string) []byte {
	return fmt.Appendf(nil, "%s %08x %d\n%s\n", positionFormat, crc32.Checksum([]byte(id), castagnoli), len(id), id)
}

func decodePosition(b []byte) (id string, ok bool) {
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	rest, ok = bytes.CutSuffix(rest, []byte("\n"))
	if !ok {
		return "", false
	}
	// An id has exactly one encoding; anything else is damage.
	id = string(rest)
	return id, len(id) <= maxStoredID && bytes.Equal(b, encodePosition(id))
}
