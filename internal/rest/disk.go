package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/private"
)

// steps is into how many parts a folder's bound is divided: a process looks at the
// folder again once it has written one part, and makes room for one at least.
const steps = 8

// NewDisk returns a Cache in a folder, which is made when something is kept.
// Before the files are larger than maxBytes together the oldest are removed.
// Files that cannot be read are no entries.
//
// Several processes may share the folder. Each knows what it wrote itself, and
// looks at all files again after an eighth of maxBytes: the folder can then be
// larger than maxBytes by an eighth for each process more, and keeping an answer
// costs the same however many files there are.
func NewDisk(dir string, maxBytes int64) *Disk { return &Disk{dir: dir, max: maxBytes} }

// Disk is a Cache in a folder; NewDisk makes one.
type Disk struct {
	dir string
	max int64

	mu       sync.Mutex
	room     int64 // bytes that may be written before the folder is looked at again
	trimming bool
	looks    int // at the whole folder
}

func (d *Disk) file(url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(d.dir, hex.EncodeToString(sum[:16])+".json")
}

// Load implements Cache.
func (d *Disk) Load(url string) (*Kept, bool) {
	text, err := os.ReadFile(d.file(url))
	if err != nil {
		return nil, false
	}
	var e Kept
	if json.Unmarshal(text, &e) != nil || e.URL != url {
		return nil, false
	}
	return &e, true
}

// Store implements Cache. The file appears whole or not at all.
func (d *Disk) Store(url string, e *Kept) {
	text, err := json.Marshal(e)
	if err != nil || int64(len(text)) > d.max {
		return
	}
	if private.Folder(d.dir) != nil {
		return
	}
	tmp, err := private.Temp(d.dir, "new-*")
	if err != nil {
		return
	}
	_, werr := tmp.Write(text)
	if errors.Join(werr, tmp.Close()) != nil || os.Rename(tmp.Name(), d.file(url)) != nil {
		_ = os.Remove(tmp.Name())
		return
	}
	if d.wrote(int64(len(text))) {
		d.trim()
	}
}

// wrote counts what was written, and reports whether the caller is to trim: one
// does at a time, and the others need not wait for it.
func (d *Disk) wrote(n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room -= n
	if d.room >= 0 || d.trimming {
		return false
	}
	d.trimming = true
	return true
}

// trim looks at the folder, and removes the oldest files where it is too large, so
// that there is room for one part and the next look is a while off.
func (d *Disk) trim() {
	size := d.size()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room, d.trimming = min(d.max-size, d.max/steps), false
	d.looks++
}

// size is how large the files are together, once there is room again.
func (d *Disk) size() int64 {
	type file struct {
		path string
		size int64
		at   time.Time
	}
	var all []file
	var size int64
	_ = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, infoErr := e.Info(); infoErr == nil {
				all = append(all, file{path, info.Size(), info.ModTime()})
				size += info.Size()
			}
		}
		return nil // what another process has just removed is no matter
	})
	if size <= d.max-d.max/steps/2 { // with less room the next look would be at once
		return size
	}
	slices.SortFunc(all, func(a, b file) int { return a.at.Compare(b.at) })
	for _, f := range all {
		if size <= d.max-d.max/steps {
			break
		}
		if os.Remove(f.path) == nil {
			size -= f.size
		}
	}
	return size
}
