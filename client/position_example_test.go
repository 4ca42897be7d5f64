package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"

	"github.com/fluxwire-go/fluxwire/client"
)

// numbers serves the numbers 1 to 4, or those after the last event's id.
func numbers() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		for n := last + 1; n <= 4; n++ {
			fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
		}
		fmt.Fprint(w, "event: stream.complete\ndata: {}\n\n")
	}))
}

// A process that cannot handle an event stops. The next process gets the event again,
// and continues.
func ExampleResume() {
	server := numbers()
	defer server.Close()
	dir, err := os.MkdirTemp("", "position")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	process := func(broken int) error {
		position, err := client.OpenPositionFile(filepath.Join(dir, "numbers.position"))
		if err != nil {
			return err
		}
		defer position.Close()
		for n, err := range client.Values[int](context.Background(), server.URL, client.Resume(position)) {
			if err != nil {
				return err
			}
			if n == broken {
				return fmt.Errorf("cannot handle %d", n)
			}
			fmt.Println(n)
		}
		return nil
	}
	fmt.Println(process(3))
	fmt.Println(process(0))
	// Output:
	// 1
	// 2
	// cannot handle 3
	// 3
	// 4
	// <nil>
}

// An account stores a sum and the position of the last number in it in one file.
type account struct {
	path string
	Sum  int
	ID   string
}

func openAccount(path string) (*account, error) {
	a := &account{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	return a, json.Unmarshal(b, a)
}

// add writes the sum and the id together, or not at all.
func (a *account) add(n int, id string) error {
	a.Sum, a.ID = a.Sum+n, id
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(a.path+".new", a.path)
}

// Load makes the account a [client.PositionStore].
func (a *account) Load(context.Context) (string, error) { return a.ID, nil }

// Save has nothing to do: the id is saved with the work.
func (a *account) Save(context.Context, string) error { return nil }

// A consumer that saves the position together with its result counts every event once,
// however often its process ends.
func ExamplePositionStore() {
	server := numbers()
	defer server.Close()
	dir, err := os.MkdirTemp("", "account")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	for range 3 { // three processes; the first ends early
		a, err := openAccount(filepath.Join(dir, "account.json"))
		if err != nil {
			log.Fatal(err)
		}
		for ev, err := range client.Follow[int](context.Background(), server.URL, client.Resume(a)) {
			if err != nil {
				log.Fatal(err)
			}
			if err := a.add(ev.Data, ev.ID); err != nil {
				log.Fatal(err)
			}
			if ev.Data == 3 {
				break // 3 is counted, and does not come again
			}
		}
		fmt.Println(a.Sum, "up to", a.ID)
	}
	// Output:
	// 6 up to 3
	// 10 up to 4
	// 10 up to 4
}
