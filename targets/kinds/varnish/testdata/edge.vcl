vcl 4.1;

backend origin {
    .host = "after-balancer";
    .port = "8080";
    .connect_timeout = 2s;
    .first_byte_timeout = 60s;
    .between_bytes_timeout = 60s;
}

sub vcl_recv {
    if (req.method == "PURGE") {
        return (purge);
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    if (req.url ~ "^/assets/" || req.url ~ "^/api/(feed|search)(\?|$)" || req.url ~ "^/api/posts/[0-9]+$") {
        unset req.http.Cookie;
        return (hash);
    }
    return (pass);
}

sub vcl_hash {
    hash_data(req.url);
    return (lookup);
}

sub vcl_hit {
    set req.http.X-Edge = "hit";
}

sub vcl_miss {
    set req.http.X-Edge = "miss";
}

sub vcl_pass {
    set req.http.X-Edge = "pass";
}

sub vcl_backend_fetch {
    unset bereq.http.X-Edge;
}

sub vcl_backend_response {
    if (beresp.http.X-Cache) {
        set beresp.http.X-Shop-Cache = beresp.http.X-Cache;
        unset beresp.http.X-Cache;
    }
    if (bereq.uncacheable) {
        return (deliver);
    }
    if (bereq.url ~ "^/assets/") {
        set beresp.ttl = 86400.000s;
    } else {
        set beresp.ttl = 2.500s;
    }
    if (beresp.status != 200 || beresp.ttl <= 0s) {
        # Known for a moment as not to be cached: those who ask at the same time
        # do not wait for each other.
        set beresp.ttl = 1s;
        set beresp.uncacheable = true;
        return (deliver);
    }
    unset beresp.http.Set-Cookie;
    unset beresp.http.Vary;
    return (deliver);
}

sub vcl_deliver {
    set resp.http.X-Cache = req.http.X-Edge;
    unset resp.http.Via;
    unset resp.http.X-Varnish;
}
