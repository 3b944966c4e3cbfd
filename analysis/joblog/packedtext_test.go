package joblog_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
)

// All files of an archive share one limit, and whoever reads beyond it is told so.
func TestUnpackedWithinLimits(t *testing.T) {
	const each, files = 100_000, 5
	logs, packed := map[string][]byte{}, map[string][]byte{}
	for n := range files {
		text := strings.Repeat(fmt.Sprintf("line %d\n", n), each/7)
		logs[fmt.Sprintf("%d.log", n)], packed[fmt.Sprintf("%d.log.gz", n)] = []byte(text), squeezed(text)
	}
	all := int64(files * each / 7 * 7)
	for name, archive := range map[string][]byte{
		"logs": zipped(t, logs), "logs in gzip": zipped(t, packed), "one": squeezed(strings.Repeat("line 0\n", int(all)/7)),
	} {
		size := int64(len(archive))
		for _, c := range []struct {
			unpacked, spooled int64
			least, most       int // bytes of the text
			why               string
		}{
			{2 * all, size, int(all) - files*7, int(all), ""},
			{250_000, size, 150_000, 250_000, "unpacks to more than 250000 bytes"},
			{2 * all, size - 1, 0, 0, "a zip of more than"},
		} {
			if name == "one" && c.spooled < size { // which is no zip
				continue
			}
			text, done, err := joblog.UnpackedWithin(bytes.NewReader(archive), c.unpacked, c.spooled)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(text)
			}
			done()
			if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) ||
				len(got) < c.least || len(got) > c.most {
				t.Errorf("%s, at most %d bytes: %d bytes, %v", name, c.unpacked, len(got), err)
			}
		}
	}
}

// An archive with more files than are read says so at its end.
func TestUnpackedManyFiles(t *testing.T) {
	logs := map[string][]byte{}
	for n := range 1001 {
		logs[fmt.Sprintf("%d.log", n)] = []byte("fine\n")
	}
	text, done, err := joblog.Unpacked(bytes.NewReader(zipped(t, logs)))
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(text)
	if len(got) != 5000 || err == nil || !strings.Contains(err.Error(), "more than 1000 files") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// The files of an archive that are packed themselves share its limit: of three that unpack to 15 MiB
// each, the first is read, and then a third of the second.
func TestPackedFilesShareALimit(t *testing.T) {
	log := strings.Repeat("nothing to see\n", 1<<20) + "TEST-UNEXPECTED-FAIL | a | b\n"
	files := map[string][]byte{}
	for _, name := range []string{"1.log.gz", "2.log.gz", "3.log.gz"} {
		files[name] = squeezed(log)
	}
	for most, want := range map[int64]int{20 << 20: 1, 40 << 20: 2, 60 << 20: 3} {
		r, err := joblog.Read(t.Context(), bytes.NewReader(zipped(t, files)), "", &joblog.Options{MaxUnpacked: most})
		if err != nil || len(r.Failures) != want || r.Partial != (want < 3) {
			t.Errorf("%d bytes: %v, %d failures, expected %d, partial %t: %s", most, err, len(r.Failures), want, r.Partial,
				r.Reason)
		}
	}
}
