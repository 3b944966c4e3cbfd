package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// FreePort is a port of the loopback interface for a server that a test starts a while
// later. It is none of those that the system gives to whoever asks for any port: of these
// another test could get the same one meanwhile.
func FreePort() (int, error) {
	const lowest, given = 10_000, 32_768
	var failed error
	for range 100 {
		port := lowest + rand.IntN(given-lowest) //nolint:gosec // no secret
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
		failed = err
	}
	return 0, errors.Join(errors.New("no free port"), failed)
}
