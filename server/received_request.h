// Requests as they came.
#ifndef SOCKHOST_SERVER_RECEIVED_REQUEST_H_
#define SOCKHOST_SERVER_RECEIVED_REQUEST_H_

#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

namespace sockhost {

// What all kinds of them have in common: interceptors get one as a void*.
class ReceivedMessage {
 public:
  ~ReceivedMessage() {
    if (owns_) delete message_;
  }
  ReceivedMessage(const ReceivedMessage&) = delete;
  ReceivedMessage& operator=(const ReceivedMessage&) = delete;

  // Null: what came is no message of its type.
  const google::protobuf::Message* any() const { return is_whole_ ? message_ : nullptr; }

 protected:
  ReceivedMessage(google::protobuf::Message* message, bool owns) : message_(message), owns_(owns) {}

  google::protobuf::Message* const message_;
  const bool owns_;
  bool is_whole_ = false;
};

// A Request, or bytes that are none: gRPC would answer these by itself, with
// UNIMPLEMENTED and not a word. A handler that takes this instead of a Request is
// called all the same.
//
// Thread rule: as a message of protobuf.
template <class Request>
class ReceivedRequest final : public ReceivedMessage {
 public:
  // The message lives on `arena`, which is not owned; without one, here.
  explicit ReceivedRequest(google::protobuf::Arena* arena = nullptr)
      : ReceivedMessage(google::protobuf::Arena::CreateMessage<Request>(arena),
                        /*owns=*/arena == nullptr) {}

  // Null as any().
  const Request* request() const { return static_cast<const Request*>(any()); }

  void Decode(grpc::ByteBuffer& bytes) {
    Request& request = static_cast<Request&>(*message_);
    is_whole_ = grpc::SerializationTraits<Request>::Deserialize(&bytes, &request).ok();
  }
};

}  // namespace sockhost

template <class Request>
class grpc::SerializationTraits<sockhost::ReceivedRequest<Request>, void> {
 public:
  static grpc::Status Deserialize(grpc::ByteBuffer* bytes,
                                  sockhost::ReceivedRequest<Request>* received) {
    received->Decode(*bytes);
    return grpc::Status::OK;
  }
};

#endif  // SOCKHOST_SERVER_RECEIVED_REQUEST_H_
