package rest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// However many hosts are asked, and however many answers are kept, what a client
// holds on to does not grow.
func TestManyQuestions(t *testing.T) {
	memory := rest.NewMemory(1 << 30)
	cl := client(func(r *http.Request) (*http.Response, error) {
		return answer(r, 200, "", "ETag", `"1"`), nil // without a body: bytes alone would not bound it
	}, rest.Options{Cache: memory})
	before := runtime.NumGoroutine()
	for i := range rest.MostAnswers + 3000 {
		if _, err := cl.Do(t.Context(), rest.Call{URL: fmt.Sprintf("http://host-%d.example/", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := cl.Hosts(); n != 0 {
		t.Errorf("%d hosts are known though none is asked", n)
	}
	if n := memory.Len(); n != rest.MostAnswers {
		t.Errorf("%d answers are kept, expected %d", n, rest.MostAnswers)
	}
	if _, ok := memory.Load("http://host-3000.example/"); !ok {
		t.Error("the wrong answers were forgotten")
	}
	testenv.NoMoreRoutines(t, before)
}

// An answer that is too large to keep puts out no others, and one that is kept
// again does not count twice.
func TestMemoryCounts(t *testing.T) {
	m := rest.NewMemory(10)
	m.Store("a", &rest.Kept{Body: []byte("12345")})
	m.Store("large", &rest.Kept{Body: make([]byte, 11)})
	for range 5 {
		m.Store("b", &rest.Kept{Body: []byte("12345")})
	}
	for _, url := range []string{"a", "b"} {
		if _, ok := m.Load(url); !ok {
			t.Errorf("%s is lost", url)
		}
	}
	m.Load("a")
	m.Store("c", &rest.Kept{Body: []byte("1")})
	if _, ok := m.Load("b"); ok || m.Len() != 2 {
		t.Errorf("%d are kept, b among them: %t; it was not used for longest", m.Len(), ok)
	}
	m.Store("a", &rest.Kept{Body: make([]byte, 11)})
	if _, ok := m.Load("a"); ok {
		t.Error("an answer that was replaced by one too large to keep is given")
	}
}

// The folder is looked at once for each eighth of its bound, and not at each
// store; it never grows beyond the bound by more than what is being written.
func TestDiskLooksNowAndThen(t *testing.T) {
	const most, files = 1 << 20, 3000
	dir := t.TempDir()
	d := rest.NewDisk(dir, most)
	body := bytes.Repeat([]byte("x"), 768) // 1 KiB in base64
	written := 0
	for i := range files {
		url := fmt.Sprint("http://example.com/", i)
		d.Store(url, &rest.Kept{URL: url, Body: body})
		written += 1100
		if i%500 == 499 || i == 0 {
			if size := sizeOf(t, dir); size > most {
				t.Errorf("%d bytes after %d files, under a cap of %d", size, i+1, most)
			}
		}
	}
	if got, want := d.Looks(), written*8/most+2; got > want || got < want/2 {
		t.Errorf("the folder was looked at %d times in %d stores, expected about %d", got, files, want)
	}
	if _, ok := d.Load(fmt.Sprint("http://example.com/", files-1)); !ok {
		t.Error("the newest is lost")
	}
	if size := sizeOf(t, dir); size < most*3/4 {
		t.Errorf("%d bytes are left of %d: more was removed than had to be", size, most)
	}
}

// Two processes share a folder, and neither knows what the other writes.
func TestDiskIsShared(t *testing.T) {
	const most = 1 << 18
	dir := t.TempDir()
	both := []*rest.Disk{rest.NewDisk(dir, most), rest.NewDisk(dir, most)}
	for i := range 1000 {
		url := fmt.Sprint("http://example.com/", i)
		both[i%2].Store(url, &rest.Kept{URL: url, Body: make([]byte, 768)})
	}
	if size := sizeOf(t, dir); size > most+most/8+2000 {
		t.Errorf("%d bytes, under a cap of %d for each of two", size, most)
	}
	if _, ok := both[0].Load("http://example.com/999"); !ok {
		t.Error("what the other one wrote is not found")
	}
}

func sizeOf(t *testing.T, dir string) int64 {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

// All places with a host are taken by calls that hang. Who waits for one has its
// own context, another host is not held up, and a place that was given up is free.
func TestWaitingForAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := client(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Host, "free") || r.URL.Path == "/now" {
				return answer(r, 200, "{}"), nil
			}
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}, rest.Options{PerHost: 1})
		first, giveUp := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := cl.Do(first, rest.Call{URL: "http://stuck.example/"}); ended <- err }()
		synctest.Wait()
		began := time.Now()
		second, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := cl.Do(second, rest.Call{URL: "http://stuck.example/now"})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 50*time.Millisecond {
			t.Errorf("the second call ended after %s with %v", took, err)
		}
		if _, err := cl.Do(t.Context(), rest.Call{URL: "http://free.example/"}); err != nil {
			t.Errorf("another host: %v", err)
		}
		if n := cl.Hosts(); n != 1 {
			t.Errorf("%d hosts are known, expected the one that is asked", n)
		}
		why := errors.New("nobody needs it any more")
		giveUp(why)
		if err := <-ended; !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
			t.Errorf("the first call ended with %v, expected its context's error and the cause", err)
		}
		if _, err := cl.Do(t.Context(), rest.Call{URL: "http://stuck.example/now"}); err != nil {
			t.Errorf("after the first call: %v", err)
		}
	})
}
