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

// steps divides a folder's maximum size into parts. A process looks through the folder again
// once it has written one part, and then makes room for at least one more.
const steps = 8

// NewDisk returns a Cache in a folder, which is made when the first answer is stored.
// Before the files together are larger than maxBytes, the oldest are removed. Files that
// cannot be read are ignored.
//
// Several processes may share the folder. Each counts only what it wrote itself, and looks
// through all files after each eighth of maxBytes. So storing an answer costs the same
// however many files there are, but each further process can make the folder larger than
// maxBytes by one eighth.
func NewDisk(dir string, maxBytes int64) *Disk { return &Disk{dir: dir, max: maxBytes} }

// Disk is a Cache in a folder; NewDisk makes one.
type Disk struct {
	dir string
	max int64

	mu       sync.Mutex
	room     int64 // bytes that may be written before the next look through the folder
	trimming bool  // a goroutine of this process is looking through it
	looks    int   // how often the whole folder was read, for tests
}

// file is the path of the answer to a URL: half of its SHA-256, 32 hexadecimal digits. A
// URL itself can be too long for a file's name.
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

// Store implements Cache. It writes a temporary file and renames it, so that other processes
// see the whole file or none. An answer that cannot be written is not kept; that is no error.
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

// wrote counts n written bytes and reports whether the caller must trim the folder. Only one
// goroutine trims at a time; the others go on without waiting.
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

// trim looks through the folder and removes the oldest files when it is too large. It then
// sets the room until the next look: the free space, but one part at most, because other
// processes fill the folder too.
func (d *Disk) trim() {
	size := d.size()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room, d.trimming = min(d.max-size, d.max/steps), false
	d.looks++
}

// size removes the oldest files where needed and returns how many bytes are left. For 256
// MiB it does nothing up to 240 MiB (15/16), and beyond that removes files down to 224 MiB
// (7/8): half a part is the least room worth waiting for.
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
		return nil // a file that another process has just removed does not matter
	})
	if size <= d.max-d.max/steps/2 { // enough room: the next look is not due at once
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
