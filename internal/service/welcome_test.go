package service_test

import (
	"net"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/service"
)

func TestWelcome(t *testing.T) {
	s, err := service.New(service.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"0.0.0.0:8080":   "http://localhost:8080",
		"[::]:8080":      "http://localhost:8080",
		"127.0.0.1:8080": "http://127.0.0.1:8080",
		"[::1]:8080":     "http://[::1]:8080",
		"192.0.2.1:80":   "http://192.0.2.1:80",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Welcome(tcp); !strings.Contains(got, " "+want+"\n") || strings.Count(got, want+"/") != 3 {
			t.Errorf("Welcome(%s) = %q, want %s, once by itself and in three commands", addr, got, want)
		}
	}
}
