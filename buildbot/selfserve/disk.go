package selfserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/private"
)

// load reads a dump from disk. One that is damaged counts as missing, and is fetched again.
func (d *dumps) load(ctx context.Context, name string) (*index, bool) {
	path := filepath.Join(d.dir, name)
	f, err := os.Open(path) // #nosec G304 -- a dump's name in the caller's folder
	if err != nil {
		return nil, false
	}
	defer func() { _ = f.Close() }()
	found, err := readIndex(f, d.asked(name))
	if err != nil {
		d.log.WarnContext(ctx, "a kept dump is damaged, fetching it again", "file", path, "error", err)
		return nil, false
	}
	return found, true
}

// save reads a dump from in, and at the same time writes it to disk. It writes to a temporary
// file and renames that at the end, so that no half file is ever kept.
func (d *dumps) save(name string, in io.Reader) (*index, error) {
	if err := private.Folder(d.dir); err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	f, err := private.Temp(d.dir, "fetching-*")
	if err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // does nothing after the rename
	tee := io.TeeReader(in, f)
	x, err := readIndex(tee, d.asked(name))
	if err == nil {
		_, err = io.Copy(io.Discard, tee) // also write what follows the JSON, such as gzip's checksum
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), filepath.Join(d.dir, name)); err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	return x, d.trim(name)
}

// trim removes dumps, those written longest ago first, until the rest are within the bound. It
// never removes the dump but, which has just been written. Other files in the folder are not
// counted and stay.
func (d *dumps) trim(but string) error {
	all, err := os.ReadDir(d.dir)
	if err != nil {
		return fmt.Errorf("keeping a dump: %w", err)
	}
	type file struct {
		name string
		info os.FileInfo
	}
	var files []file
	sum := int64(0)
	for _, e := range all {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), "builds-") {
			continue
		}
		sum += info.Size()
		files = append(files, file{e.Name(), info})
	}
	slices.SortFunc(files, func(a, b file) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, f := range files {
		if sum <= d.bytes {
			break
		}
		if f.name == but {
			continue
		}
		if err := os.Remove(filepath.Join(d.dir, f.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("keeping a dump: %w", err)
		}
		sum -= f.info.Size()
	}
	return nil
}
