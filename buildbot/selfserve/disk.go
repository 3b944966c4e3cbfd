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

// load reads a dump from the disk; one that is torn is fetched again.
func (d *dumps) load(ctx context.Context, name string) (*index, bool) {
	path := filepath.Join(d.dir, name)
	f, err := os.Open(path) // #nosec G304 -- a dump's name in the caller's folder
	if err != nil {
		return nil, false
	}
	defer func() { _ = f.Close() }()
	found, err := readIndex(f, d.asked(name))
	if err != nil {
		d.log.WarnContext(ctx, "a kept dump is torn, fetching it again", "file", path, "error", err)
		return nil, false
	}
	return found, true
}

// save reads a dump and keeps it: whole, or not at all.
func (d *dumps) save(name string, in io.Reader) (*index, error) {
	if err := private.Folder(d.dir); err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	f, err := private.Temp(d.dir, "fetching-*")
	if err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone once it is renamed
	tee := io.TeeReader(in, f)
	x, err := readIndex(tee, d.asked(name))
	if err == nil {
		_, err = io.Copy(io.Discard, tee) // the end of the packing
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), filepath.Join(d.dir, name)); err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	return x, d.trim(name)
}

// trim removes the oldest dumps while they are too large together, but not the
// one that was kept just now.
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
