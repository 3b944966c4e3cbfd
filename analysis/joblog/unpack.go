package joblog

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// The maximums of compressed logs. A few kilobytes can decompress to terabytes; whatever is beyond a
// maximum is not read, and the report says so.
const (
	mostUnpacked  = 4 << 30   // bytes of a log once unpacked
	mostSpooled   = 1 << 30   // bytes of a zip archive, which lies in a temporary file while it is read
	mostWindow    = 128 << 20 // bytes that a decompressor may look back; 64 MiB is what the highest usual levels use
	mostLayers    = 2         // a gzip in a zip is unpacked, and no more
	mostMembers   = 1000      // files of an archive
	errBeyondText = "it unpacks to more than %d bytes, and the rest is not read"
)

// errPacked says that a log is compressed in a way that cannot be read.
var errPacked = errors.New("packed")

// packing is a compression format. It is recognised by the first bytes, since names and headers are often
// wrong.
type packing struct {
	name  string                                   // for messages: "gzip"
	magic string                                   // the first bytes
	open  func(r *bufio.Reader) (io.Reader, error) // returns the content; the caller closes it if it is an io.Closer
}

var packings = []packing{
	{"gzip", "\x1f\x8b", func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd},
	{"xz", "\xfd7zXZ\x00", openXZ},
	{"bzip2", "BZh", func(r *bufio.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
}

// packed is the compression format of something, if it is compressed. It looks at the first 10 bytes and
// reads none of them. The magic of bzip2 is three letters, so its first block is checked as well: after
// "BZh9" come the digits of pi in BCD, or those of its square root in an empty file.
func packed(b *bufio.Reader) (packing, bool) {
	head, _ := b.Peek(10)
	for _, p := range packings {
		if !bytes.HasPrefix(head, []byte(p.magic)) {
			continue
		}
		if p.name == "bzip2" && (len(head) < 10 ||
			string(head[4:10]) != "1AY&SY" && string(head[4:10]) != "\x17\x72\x45\x38\x50\x90") {
			continue // a line of text that begins with BZh
		}
		return p, true
	}
	return packing{}, false
}

// openZstd reads zstd with one decoder and little memory. A frame that demands a larger window than
// mostWindow is an error of the decoder.
func openZstd(r *bufio.Reader) (io.Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(mostUnpacked), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// openXZ reads xz. The library allocates the dictionary that a block's header demands, which can be 4
// GiB, so xzGuard checks the headers first.
func openXZ(r *bufio.Reader) (io.Reader, error) {
	guard := &xzGuard{r: r}
	return xz.ReaderConfig{DictCap: 1 << 20}.NewReader(guard)
}

// xzGuard passes a stream of xz on unchanged, and refuses a block whose dictionary is larger than
// mostWindow. It must follow the chunks of LZMA2 to know where a block ends and the header of the
// next one begins (The .xz File Format 1.1.0, sections 2.1 and 3.1; for LZMA2 see lzma2_decoder in
// liblzma).
//
// A file is a sequence of parts. next looks at the head of the part that begins, without reading it, and
// Read then passes on its left bytes; the state is what follows it:
//
//	stream header | block header | chunk | chunk | … | end, padding, check | block header | … | index, footer
//
// When the stream is cut or is no xz, the guard is done, and the library finds the fault.
type xzGuard struct {
	r     *bufio.Reader // of at least 64 KiB, so that an index can be peeked at
	state xzState       // what the next part is; xzStream at first
	left  int           // bytes of the present part to pass on
	check int           // bytes of a block's check: 0, 4, 8, 16, 32 or 64
	size  int           // of the chunks of the block so far, modulo 4, which the padding depends on
	done  bool          // the rest is passed on without a look
}

// xzState is the kind of part of a file of xz.
type xzState int

const (
	xzStream xzState = iota // a stream's header, or padding
	xzBlock                 // a block's header, or the index
	xzChunk                 // a chunk's header
	xzData                  // of a chunk
)

func (g *xzGuard) Read(p []byte) (int, error) {
	for g.left == 0 && !g.done {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if !g.done && len(p) > g.left {
		p = p[:g.left]
	}
	n, err := g.r.Read(p)
	if !g.done {
		g.left -= n
	}
	return n, err
}

// peek is the next n bytes, if there are as many. The library reports a stream that is cut.
func (g *xzGuard) peek(n int) ([]byte, bool) {
	head, err := g.r.Peek(n)
	if err != nil {
		g.done = true
	}
	return head, err == nil
}

// next examines the part of the stream that begins here, and sets how many bytes it has.
func (g *xzGuard) next() error {
	switch g.state {
	case xzStream:
		if pad, _ := g.r.Peek(4); string(pad) == "\x00\x00\x00\x00" {
			g.left = 4
			return nil
		}
		head, ok := g.peek(12)
		if !ok || string(head[:6]) != "\xfd7zXZ\x00" {
			g.done = true // its end, or what the library refuses
			return nil
		}
		// The size of the check by its type, the low four bits of the second byte of the flags.
		g.check = []int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[head[7]&0x0f]
		g.left, g.state = 12, xzBlock
	case xzBlock:
		return g.block()
	case xzChunk:
		return g.chunk()
	case xzData:
		g.state = xzChunk
	}
	return nil
}

// block reads the header of a block, or skips the index, which begins with a zero byte. The header is
//
//	byte 0         its size: (byte+1)*4 bytes in all; 2 means 12
//	byte 1         flags: 0x03 the number of filters less one, 0x40 and 0x80 which sizes follow
//	0 to 2 sizes   as varints
//	3 bytes        the filter 0x21 (LZMA2), the 1 byte of its properties, and the size of its dictionary
//	padding, and 4 bytes of a checksum, which are not read
func (g *xzGuard) block() error {
	first, ok := g.peek(1)
	if !ok {
		return nil
	}
	if first[0] == 0 {
		return g.index()
	}
	size := (int(first[0]) + 1) * 4
	head, ok := g.peek(size)
	if !ok {
		return nil
	}
	if head[1]&0x03 != 0 {
		return fmt.Errorf("%w: xz with more than one filter is not read", errPacked)
	}
	at := 2
	for _, flag := range []byte{0x40, 0x80} {
		if head[1]&flag != 0 {
			_, n := binary.Uvarint(head[at : size-4])
			if n <= 0 {
				return fmt.Errorf("%w: the header of a block of xz is wrong", errPacked)
			}
			at += n
		}
	}
	if at+3 > size-4 || head[at] != 0x21 || head[at+1] != 1 {
		return fmt.Errorf("%w: xz with another filter than LZMA2 is not read", errPacked)
	}
	if bits := head[at+2]; bits > 40 || xzDictionary(bits) > mostWindow {
		return fmt.Errorf("%w: it needs a dictionary of more than %d bytes", errPacked, mostWindow)
	}
	g.left, g.size, g.state = size, 0, xzChunk
	return nil
}

// xzDictionary is the size of a dictionary in bytes, of bits from 0 to 40: 4 KiB for 0, 6 KiB for 1, 8 KiB
// for 2, 64 MiB for 28, and 4 GiB for 40.
func xzDictionary(bits byte) uint64 { return uint64(2|bits&1) << (bits/2 + 11) }

// chunk reads the header of a chunk and skips its data, or reads the end of a block. A header is
//
//	1 or 2, size less one (2 bytes)                          data that is not compressed
//	0x80 to 0xff, 2 bytes, size less one (2 bytes)           data that is; from 0xc0 on 1 byte more
//	0                                                        the end of the block
//
// For chunks of 10 bytes in all, the end is 6 bytes: the zero, 1 of padding to 12, and a check of 4.
func (g *xzGuard) chunk() error {
	head, ok := g.peek(1)
	if !ok {
		return nil
	}
	control := head[0]
	switch {
	case control == 0: // the end: padding to four bytes, and the check
		g.size = (g.size + 1) % 4
		g.left = 1 + (4-g.size)%4 + g.check
		g.state = xzBlock
		return nil
	case control < 3: // not compressed
		head, ok = g.peek(3)
	case control >= 0x80:
		head, ok = g.peek(5)
	default:
		return fmt.Errorf("%w: a chunk of xz is wrong", errPacked)
	}
	if !ok {
		return nil
	}
	g.left = len(head) + int(binary.BigEndian.Uint16(head[len(head)-2:])) + 1
	if control >= 0xc0 {
		g.left++ // the properties
	}
	g.size, g.state = (g.size+g.left)%4, xzData
	return nil
}

// index skips the index and the footer of a stream, which say nothing about memory. The index is a zero
// byte, the number of records, two varints for each, padding to 4 bytes and a checksum of 4; the footer
// has 12 bytes. The index must fit into the buffer of 64 KiB.
func (g *xzGuard) index() error {
	head, _ := g.r.Peek(64 << 10)
	records, n := binary.Uvarint(head[1:])
	if n <= 0 {
		return fmt.Errorf("%w: the index of xz is wrong", errPacked)
	}
	at := 1 + n
	for range records {
		for range 2 {
			_, n = binary.Uvarint(head[min(at, len(head)):])
			if n <= 0 {
				return fmt.Errorf("%w: the index of xz is wrong or too large", errPacked)
			}
			at += n
		}
	}
	g.left = (at+3)/4*4 + 4 + 12
	g.state = xzStream
	return nil
}

// capped reads at most a given number of bytes, and returns an error when there are more. A source with
// exactly as many ends as it does without the cap.
type capped struct {
	r    io.Reader
	left int64 // bytes that may still be read
	most int64 // the maximum that the error names; an archive's files share one
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		var one [1]byte
		if n, err := c.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf(errBeyondText, c.most)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}
