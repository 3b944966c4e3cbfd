package selfserve

import (
	"io"

	"github.com/mozci/mozci/job/contract"
)

// index finds the builds of a dump by their requests.
type index struct {
	builds []DumpBuild       // in the order of the dump
	at     map[int64][]int32 // by request: indexes into builds, in 32 bits to save memory
}

// readIndex reads the dump that answers a request. A dump has tens of thousands of builds but
// few different names, so equal strings share their memory.
func readIndex(in io.Reader, asked contract.Asked) (*index, error) {
	out := &index{at: map[int64][]int32{}}
	words := map[string]string{}
	once := func(s *string) {
		if w, ok := words[*s]; ok {
			*s = w
			return
		}
		words[*s] = *s
	}
	err := readDump(in, asked, func(b DumpBuild) error {
		for _, s := range []*string{
			&b.Builder, &b.Revision, &b.Branch, &b.Scheduler, &b.Reason, &b.PackageURL, &b.TestsURL, &b.TestPackagesURL,
		} {
			once(s)
		}
		for _, id := range b.Requests {
			//nolint:gosec // a dump of 2^31 builds is larger than mostDump
			out.at[id] = append(out.at[id], int32(len(out.builds)))
		}
		out.builds = append(out.builds, b)
		return nil
	})
	return out, err
}

// anyNumber, given as the number of a build, means that the number is not known.
const anyNumber = -1

// find returns the build of a request with this number; for anyNumber the one that ended last.
// A request that was retried has several builds. It is nil when there is none.
func (x *index) find(request int64, number int) *DumpBuild {
	var out *DumpBuild
	for _, i := range x.at[request] {
		b := &x.builds[i]
		if number != anyNumber && b.Number != number {
			continue
		}
		if out == nil || b.Finished.After(out.Finished) {
			out = b
		}
	}
	return out
}
