// SPDX-License-Identifier: Apache-2.0

// Both ends of `kiln lab smoke`: it says who answers, and fetches from others and says what came of it, so that
// whoever reaches one pod can ask every pod about every other.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// How long a fetch may take, its name's lookup included, where the caller says nothing else (timeout=5s).
	fetchLimit = 3 * time.Second
	// A caller can't hold a connection longer.
	fetchLimitMax = 30 * time.Second
	// As much of an answer as is handed on.
	bodyMax = 64 << 10
)

// who answers: the pod by its host name, and what the pod's own specification says of it (the downward API).
type who struct {
	Pod   string `json:"pod"`
	Node  string `json:"node"`
	PodIP string `json:"podIP"`
	// Who asked, as this end sees it: masquerading shows here.
	Client string `json:"client"`
}

// fetched is what came of a fetch. Status is 0 where there was no answer; then Error says why.
type fetched struct {
	URL    string  `json:"url"`
	Status int     `json:"status"`
	Body   string  `json:"body"`
	Error  string  `json:"error,omitempty"`
	Took   float64 `json:"seconds"`
}

func main() {
	name, _ := os.Hostname()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(writer http.ResponseWriter, request *http.Request) {
		client, _, _ := net.SplitHostPort(request.RemoteAddr)
		answer(writer, who{name, os.Getenv("NODE_NAME"), os.Getenv("POD_IP"), client})
	})
	mux.HandleFunc("GET /healthz", func(writer http.ResponseWriter, _ *http.Request) {
		io.WriteString(writer, "ok\n")
	})
	mux.HandleFunc("GET /fetch", serveFetch)
	address := ":8080"
	if given := os.Getenv("SMOKE_LISTEN"); given != "" {
		address = given
	}
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: fetchLimit}
	// The first process of a container has no default action for signals.
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

func serveFetch(writer http.ResponseWriter, request *http.Request) {
	limit := fetchLimit
	if text := request.FormValue("timeout"); text != "" {
		given, err := time.ParseDuration(text)
		if err != nil || given <= 0 || given > fetchLimitMax {
			http.Error(writer, "timeout is a duration such as 5s, 30s at most", http.StatusBadRequest)
			return
		}
		limit = given
	}
	answer(writer, fetch(request.FormValue("url"), limit))
}

// fetch uses a new connection each time: a kept one would prove nothing of today's routes and rules.
func fetch(url string, limit time.Duration) fetched {
	found, begun := fetched{URL: url}, time.Now()
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	response, err := client.Get(url)
	if err == nil {
		defer response.Body.Close()
		var body []byte
		body, err = io.ReadAll(io.LimitReader(response.Body, bodyMax))
		found.Status, found.Body = response.StatusCode, string(body)
	}
	if err != nil {
		found.Error = err.Error()
	}
	found.Took = time.Since(begun).Seconds()
	return found
}

func answer(writer http.ResponseWriter, value any) {
	writer.Header().Set("Content-Type", "application/json")
	json.NewEncoder(writer).Encode(value)
}
