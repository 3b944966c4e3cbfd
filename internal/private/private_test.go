//go:build unix

package private_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mozci/mozci/internal/private"
)

func mode(t *testing.T, name string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// What is made is its owner's alone, whatever the umask; what was there keeps its mode.
func TestModes(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o277} {
		t.Run(fmt.Sprintf("%#o", mask), func(t *testing.T) {
			top := t.TempDir()
			old := syscall.Umask(mask)
			t.Cleanup(func() { syscall.Umask(old) })
			dir := filepath.Join(top, "new")
			file, shared, link := filepath.Join(dir, "file"), filepath.Join(top, "shared"), filepath.Join(top, "link")
			if err := os.WriteFile(shared, []byte("text"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(dir, "target"), link); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(shared, 0o664); err != nil { // #nosec G302 -- shared on purpose
				t.Fatal(err)
			}
			for range 2 {
				for _, err := range []error{
					private.Folder(dir), private.Folder(top),
					private.File(file), private.File(shared), private.File(link),
				} {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			temp, err := private.Temp(dir, "temp-*")
			if err != nil {
				t.Fatal(err)
			}
			_ = temp.Close()
			for name, want := range map[string]fs.FileMode{
				dir: 0o700, file: 0o600, temp.Name(): 0o600, shared: 0o664, filepath.Join(dir, "target"): 0o600,
			} {
				if got := mode(t, name); got != want {
					t.Errorf("%s has %o, expected %o", filepath.Base(name), got, want)
				}
			}
			if text, err := os.ReadFile(shared); err != nil || string(text) != "text" {
				t.Errorf("what was there is %q now, %v", text, err)
			}
		})
	}
}
