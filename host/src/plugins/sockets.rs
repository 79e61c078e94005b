//! No plugin ever makes a socket. With WASI's own functions it could: such a socket reaches nothing,
//! but it is a file descriptor of the gateway, and one call could take all of them. So the functions
//! that make sockets are replaced by ones that refuse and tell the operator.

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::{
    p2::{
        SocketError, SocketResult, TcpSocket, UdpSocket,
        bindings::sockets::{
            network::{self, ErrorCode, IpAddressFamily, Network},
            tcp_create_socket, udp_create_socket,
        },
    },
    sockets::WasiSocketsView,
};

use super::host_state::HostState;

/// Replaces the functions that make sockets.
pub(super) fn refuse(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    tcp_create_socket::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    udp_create_socket::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl HostState {
    fn refused<T>(&self) -> SocketResult<T> {
        self.refusals.report("socket");
        Err(ErrorCode::AccessDenied.into())
    }
}

impl tcp_create_socket::Host for HostState {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.refused()
    }
}

impl udp_create_socket::Host for HostState {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.refused()
    }
}

// What the bindings need to convert the error.
impl network::Host for HostState {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.sockets(), error)
    }
}

impl network::HostNetwork for HostState {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets(), network)
    }
}
