"""The forwarders that forward_bench.py measures: each one thread, to one upstream."""

import pathlib
import socket
import time

import servers

HAPROXY = """
global
  nbthread 1
  maxconn 4000
  tune.bufsize 65536
defaults
  mode tcp
  {options}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:{port}
  server upstream 127.0.0.1:{upstream}
"""

NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
stream {{
  proxy_buffer_size 64k;
  server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass 127.0.0.1:{upstream}; }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Configured(servers.Server):
    """A forwarder that reads a file and listens on a port that it is told."""

    def __init__(self, name, command, core, folder, template, upstream, **values):
        port = free_port()
        config = pathlib.Path(folder) / f"{name}.conf"
        config.write_text(template.format(port=port, upstream=upstream, folder=folder, **values))
        with (pathlib.Path(folder) / f"{name}.log").open("wb") as log:
            super().__init__(name, [*command, str(config)], core, stdout=log, stderr=log)
        self.ports = {"tcp": port}
        deadline = time.monotonic() + servers.START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise servers.ServerFailed(f"{name} did not start: {log.name}") from None
                time.sleep(0.05)


def haproxy(core, folder, upstream, splice=False):
    name = "haproxy-splice" if splice else "haproxy"
    options = "option splice-auto" if splice else ""
    command = ["/usr/sbin/haproxy", "-db", "-f"]
    return Configured(name, command, core, folder, HAPROXY, upstream, options=options)


def nginx(core, folder, upstream):
    return Configured("nginx", ["/usr/sbin/nginx", "-p", folder, "-c"], core, folder, NGINX, upstream)


def minimal(core, bin_dir, upstream):
    command = [str(bin_dir / "minimal_epoll_forward"), str(upstream)]
    return servers.PortPrinter("minimal", command, core)
