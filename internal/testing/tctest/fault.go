package tctest

import "net/http"

// Fault is a way in which hooks answer when a hook is fired, as recorded from a
// real deployment or reported of one.
type Fault int

// The faults of a fire. Those whose names end in Made have made the task.
const (
	Well        Fault = iota // no fault: the answer names the task; made
	Lost                     // the connection ends without an answer; made
	LateMade                 // 400: RabbitMQ was down, and the queue's answer too late; made
	QueueDown                // 400: the queue was down; not made
	BrokenMade               // 500 of hooks itself; made
	Broken                   // 500 of hooks itself; not made
	GatewayMade              // 504 of the proxy; made
	Gateway                  // 502 of the proxy, before hooks; not made
	NullMade                 // 200 null; made
	EmptyMade                // 200 {}; made
	Empty                    // 200 {}; not made
	ErrorMade                // 200 with the body of an error; made
	TooMany                  // 429 with Retry-After; not made
)

// Faults are all faults.
func Faults() []Fault {
	var out []Fault
	for f := Lost; f <= TooMany; f++ {
		out = append(out, f)
	}
	return out
}

// Makes reports whether the action task exists although the fire went wrong.
func (f Fault) Makes() bool {
	switch f {
	case QueueDown, Broken, Gateway, Empty, TooMany:
		return false
	}
	return true
}

// answer answers the fire.
func (f Fault) answer(w http.ResponseWriter, id string) {
	html := func(status int) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html><head><title>" + http.StatusText(status) + "</title></head></html>"))
	}
	switch f {
	case Lost:
		panic(http.ErrAbortHandler)
	case LateMade:
		refuse(w, http.StatusBadRequest, "InputError",
			"While firing hook:\n\nTimeoutError: Timeout awaiting 'request' for 30000ms")
	case QueueDown:
		refuse(w, http.StatusBadRequest, "InputError", "While firing hook:\n\nError: Unknown Server Error")
	case BrokenMade, Broken:
		refuse(w, http.StatusInternalServerError, "InternalServerError", "Internal Server Error, incidentId 7.")
	case GatewayMade:
		html(http.StatusGatewayTimeout)
	case Gateway:
		html(http.StatusBadGateway)
	case NullMade:
		answer(w, http.StatusOK, nil)
	case EmptyMade, Empty:
		answer(w, http.StatusOK, Object{})
	case ErrorMade:
		answer(w, http.StatusOK, Object{
			"code": "InternalServerError", "message": "Internal Server Error",
			"requestInfo": Object{},
		})
	default:
		answer(w, http.StatusOK, Object{"taskId": id, "status": Object{"taskId": id}})
	}
}

var faultNames = []string{
	"well", "lost", "late, made", "queue down", "broken, made", "broken", "gateway time-out, made", "bad gateway",
	"null, made", "empty, made", "empty", "an error with 200, made", "too many",
}

// String is the fault in words.
func (f Fault) String() string { return faultNames[f] }
