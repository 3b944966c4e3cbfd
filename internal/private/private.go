// Package private makes files and folders that only their owner can read, whatever the
// umask. A file or folder that exists already keeps its mode: it may be shared on purpose.
package private

import (
	"errors"
	"io/fs"
	"os"
)

const (
	fileMode   = 0o600
	folderMode = 0o700
)

// Folder makes a folder, and the missing ones above it.
func Folder(dir string) error {
	_, err := os.Stat(dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, folderMode); err != nil || !isNew {
		return err
	}
	return os.Chmod(dir, folderMode)
}

// File makes an empty file if there is none.
func File(name string) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(fileMode), f.Close())
}

// Temp makes a new file in a folder, which the caller renames once it is complete. The
// pattern is that of os.CreateTemp.
func Temp(dir, pattern string) (*os.File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}
