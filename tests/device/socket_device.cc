// SPDX-License-Identifier: Apache-2.0
#include "tests/device/socket_device.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/numbers.h"
#include "base/process.h"
#include "tpm/host/copies.h"
#include "tpm/host/devices.h"
#include "tpm/host/instance.h"

namespace vtpm::tpm {

namespace {

constexpr size_t kDevices = 4;

// --- messages ---

bool send_all(int socket, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return true;
}

bool receive_all(int socket, MutableByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t received = ::recv(socket, bytes.data(), bytes.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(received));
  }
  return true;
}

bool send_message(int socket, uint8_t kind, ByteView body) {
  Bytes header = {kind};
  write_be(header, body.size(), 4);
  return send_all(socket, header) && send_all(socket, body);
}

bool receive_message(int socket, Message& message) {
  uint8_t header[5];
  if (!receive_all(socket, {header, sizeof header})) return false;
  message.kind = header[0];
  message.body = SecretBytes(static_cast<size_t>(read_be({header + 1, 4})));
  return receive_all(socket, {message.body.data(), message.body.size()});
}

// Two byte strings in one: the length of the first in four bytes, then both.
SecretBytes joined(ByteView first, ByteView second) {
  Bytes length;
  write_be(length, first.size(), 4);
  SecretBytes both{ByteView(length)};
  both.append(first);
  both.append(second);
  return both;
}

std::pair<ByteView, ByteView> parted(ByteView both) {
  const size_t size = static_cast<size_t>(read_be(both.first(4)));
  return {both.subspan(4, size), both.subspan(4 + size)};
}

socklen_t fill_in(sockaddr_un& address, const std::string& name) {
  address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());  // a zero byte in front means the abstract namespace
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

// --- the server ---

SecretBytes of_size(const Device::BufferSize& size) {
  Bytes numbers;
  for (const size_t number : {size.now, size.least, size.most}) write_be(numbers, number, 4);
  return SecretBytes(ByteView(numbers));
}

SecretBytes serve(Device& device, Request request, ByteView body) {
  switch (request) {
    case Request::kPowerOn:
      device.power_on(body);
      return {};
    case Request::kPowerOnNew:
      device.power_on_new();
      return {};
    case Request::kResume: {
      const auto [permanent, volatile_state] = parted(body);
      device.resume({SecretBytes(permanent), SecretBytes(volatile_state)});
      return {};
    }
    case Request::kPowerOff:
      device.power_off();
      return {};
    case Request::kExecute: {
      device.set_locality(body[0]);
      const SecretBytes response(device.execute(body.subspan(1)));
      const std::optional<SecretBytes> stored = device.take_stored();
      return joined(response, stored ? stored->view() : ByteView());
    }
    case Request::kPermanent:
      return device.permanent();
    case Request::kSnapshot: {
      const Snapshot taken = device.snapshot();
      return joined(taken.permanent, taken.volatile_state);
    }
    case Request::kBufferSize:
      return of_size(device.buffer_size());
    case Request::kSetBufferSize:
      return of_size(device.set_buffer_size(static_cast<size_t>(read_be(body))));
  }
  throw Error(ErrorCode::kInvalidArgument, "the device's server does not know this request");
}

Device* served = nullptr;  // by this process of the server

/// Serves one connection in a process of its own. It sends its process id first, because the client cancels by a
/// signal.
[[noreturn]] void serve_connection(int socket) {
  Instance device(copies().front());
  served = &device;
  struct sigaction on_cancel = {};
  on_cancel.sa_handler = [](int) { served->cancel(); };
  ::sigaction(SIGUSR1, &on_cancel, nullptr);
  Bytes self;
  write_be(self, static_cast<uint64_t>(::getpid()), 4);
  if (!send_message(socket, 0, self)) _exit(1);
  Message request;
  while (receive_message(socket, request)) {
    bool sent = false;
    try {
      const SecretBytes answer = serve(device, static_cast<Request>(request.kind), request.body);
      sent = send_message(socket, static_cast<uint8_t>(Outcome::kDone), answer);
    } catch (const Error& error) {
      Bytes why = {static_cast<uint8_t>(error.code())};
      append(why, as_bytes(error.sentence()));
      sent = send_message(socket, static_cast<uint8_t>(Outcome::kFailed), why);
    }
    if (!sent) break;
  }
  _exit(0);
}

/// Ends when no process is left that could connect. All of them have the other end of `lifeline` open.
[[noreturn]] void serve_all(int listening, int lifeline) {
  ::signal(SIGCHLD, SIG_IGN);
  for (;;) {
    pollfd waits[] = {{listening, POLLIN, 0}, {lifeline, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) _exit(1);
    if ((waits[1].revents & (POLLHUP | POLLIN)) != 0) _exit(0);
    if ((waits[0].revents & POLLIN) == 0) continue;
    const int connection = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    if (::fork() == 0) {
      ::close(listening);
      ::close(lifeline);
      serve_connection(connection);
    }
    ::close(connection);
  }
}

/// Moves a descriptor above those that a program may close on its own account.
int out_of_the_way(int descriptor) {
  const int high = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 700);
  ::close(descriptor);
  return high;
}

/// Starts the server and returns its address.
std::string start_server() {
  const std::string name = "vtpm-device-" + std::to_string(::getpid());
  const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address;
  const socklen_t size = fill_in(address, name);
  int lifeline[2];
  if (listening < 0 || ::bind(listening, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listening, 64) != 0 || ::pipe2(lifeline, O_CLOEXEC) != 0)
    ::abort();
  const pid_t between = ::fork();  // so that the server is not a child of the program, which may wait for its children
  if (between < 0) ::abort();
  if (between == 0) {
    ::close(lifeline[1]);
    ::setsid();
    if (::fork() == 0) serve_all(listening, lifeline[0]);
    _exit(0);
  }
  while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::close(listening);
  ::close(lifeline[0]);
  (void)out_of_the_way(lifeline[1]);  // stays open as long as this process and its children exist
  return name;
}

const std::string& server_address() {
  static const std::string* const address = new std::string(start_server());
  return *address;
}

/// Runs when the module is loaded, before any thread or child of the program uses the module.
[[gnu::constructor]] void start_with_the_module() { (void)server_address(); }

}  // namespace

// The definition that the test build of the module links in the place of tpm/host/devices.cc.
std::vector<std::unique_ptr<Device>> make_devices() {
  std::vector<std::unique_ptr<Device>> devices;
  for (size_t i = 0; i < kDevices; ++i) devices.push_back(std::make_unique<SocketDevice>(server_address()));
  return devices;
}

// --- the client ---

SocketDevice::~SocketDevice() { disconnect(); }

void SocketDevice::disconnect() noexcept {
  if (socket_ >= 0) ::close(socket_);  // in a child, the parent's descriptor stays open
  socket_ = -1;
  server_ = 0;
  alive_ = false;
}

void SocketDevice::connect() {
  if (socket_ >= 0 && process_ == this_process()) return;
  disconnect();
  const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made < 0) fail("no socket for its server");
  socket_ = out_of_the_way(made);
  process_ = this_process();
  sockaddr_un address;
  const socklen_t size = fill_in(address, address_);
  if (socket_ < 0 || ::connect(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    disconnect();
    fail("its server does not answer");
  }
  Message greeting;
  if (!receive_message(socket_, greeting)) fail("its server does not answer");
  server_ = static_cast<pid_t>(read_be(greeting.body));
}

void SocketDevice::cancel() noexcept {
  const pid_t server = server_;
  if (server > 0 && alive()) ::kill(server, SIGUSR1);
}

SecretBytes SocketDevice::ask(Request request, ByteView body) {
  connect();
  Message answer;
  if (!send_message(socket_, static_cast<uint8_t>(request), body) || !receive_message(socket_, answer)) {
    disconnect();
    fail("its server has ended");
  }
  if (answer.kind == static_cast<uint8_t>(Outcome::kDone)) return std::move(answer.body);
  const ByteView why = answer.body;
  const ErrorCode code = static_cast<ErrorCode>(why[0]);
  if (code == ErrorCode::kTpmFailure || code == ErrorCode::kNoMemory) alive_ = false;
  throw Error(code, std::string(as_text(why.subspan(1))));
}

SecretBytes SocketDevice::ask_running(Request request, ByteView body) {
  if (!alive()) fail("it is not powered on");
  return ask(request, body);
}

void SocketDevice::begin(Request request, ByteView body) {
  power_off();
  (void)ask(request, body);
  alive_ = true;
}

void SocketDevice::power_on(ByteView permanent) { begin(Request::kPowerOn, permanent); }

void SocketDevice::power_on_new() { begin(Request::kPowerOnNew, {}); }

void SocketDevice::resume(const Snapshot& snapshot) {
  begin(Request::kResume, joined(snapshot.permanent, snapshot.volatile_state));
}

void SocketDevice::undo(const Snapshot& snapshot) {
  const uint8_t locality = locality_;
  resume(snapshot);
  locality_ = locality;
}

void SocketDevice::power_off() noexcept {
  ++session_;
  forget_response();
  stored_.reset();
  locality_ = 0;
  const bool tell = alive();
  alive_ = false;
  if (!tell) return;
  try {
    (void)ask(Request::kPowerOff, {});
  } catch (...) {
    disconnect();
  }
}

bool SocketDevice::alive() const { return alive_ && process_ == this_process(); }

ByteView SocketDevice::execute(ByteView command) {
  SecretBytes sent(1 + command.size());
  sent.data()[0] = locality_;
  std::memcpy(sent.data() + 1, command.data(), command.size());
  const SecretBytes answer = ask_running(Request::kExecute, sent);
  const auto [response, stored] = parted(answer);
  if (!stored.empty()) stored_ = SecretBytes(stored);
  response_ = SecretBytes(response);
  return response_;
}

void SocketDevice::forget_response() noexcept { response_ = {}; }

void SocketDevice::fail(const std::string& reason) {
  alive_ = false;
  throw Error(ErrorCode::kTpmFailure, "the emulated TPM has failed and is started again at its next use: " + reason);
}

void SocketDevice::set_locality(unsigned locality) {
  if (locality > 4) throw Error(ErrorCode::kInvalidArgument, "a TPM has the localities 0 to 4");
  locality_ = static_cast<uint8_t>(locality);
}

std::optional<SecretBytes> SocketDevice::take_stored() { return std::exchange(stored_, std::nullopt); }

SecretBytes SocketDevice::permanent() { return ask_running(Request::kPermanent, {}); }

Snapshot SocketDevice::snapshot() {
  const SecretBytes answer = ask_running(Request::kSnapshot, {});
  const auto [permanent, volatile_state] = parted(answer);
  return {SecretBytes(permanent), SecretBytes(volatile_state)};
}

namespace {

Device::BufferSize size_of(ByteView numbers) {
  const auto number = [&](size_t which) { return static_cast<size_t>(read_be(numbers.subspan(4 * which, 4))); };
  return {number(0), number(1), number(2)};
}

}  // namespace

Device::BufferSize SocketDevice::buffer_size() { return size_of(ask(Request::kBufferSize, {})); }

Device::BufferSize SocketDevice::set_buffer_size(size_t wanted) {
  if (alive())
    throw Error(ErrorCode::kInvalidArgument, "the size of a TPM's buffer can be set only while the TPM is off");
  Bytes number;
  write_be(number, wanted, 8);
  return size_of(ask(Request::kSetBufferSize, number));
}

}  // namespace vtpm::tpm
