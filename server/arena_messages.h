// Requests and answers of unary calls, each pair on an arena of its own.
#ifndef SOCKHOST_SERVER_ARENA_MESSAGES_H_
#define SOCKHOST_SERVER_ARENA_MESSAGES_H_

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

#include <array>
#include <cstddef>

#include "received_request.h"

namespace sockhost {

// For CallbackUnaryHandler::SetMessageAllocator: a page of a list has tens of thousands of
// small messages, which would be allocated and freed one by one.
//
// Thread rule: any thread.
template <class Request, class Response>
class ArenaMessages final : public grpc::MessageAllocator<ReceivedRequest<Request>, Response> {
 public:
  // gRPC releases them when the call is over.
  grpc::MessageHolder<ReceivedRequest<Request>, Response>* AllocateMessages() override {
    return new Holder;
  }

 private:
  // What most calls need.
  static constexpr size_t kFirstBlock = 2048;
  // Of a long list.
  static constexpr size_t kLargestBlock = size_t{64} << 10;

  class Holder final : public grpc::MessageHolder<ReceivedRequest<Request>, Response> {
   public:
    Holder() : arena_(Options()), received_(&arena_) {
      this->set_request(&received_);
      this->set_response(google::protobuf::Arena::CreateMessage<Response>(&arena_));
    }
    void Release() override { delete this; }

   private:
    google::protobuf::ArenaOptions Options() {
      google::protobuf::ArenaOptions options;
      options.initial_block = block_.data();
      options.initial_block_size = block_.size();
      options.max_block_size = kLargestBlock;
      return options;
    }

    alignas(std::max_align_t) std::array<char, kFirstBlock> block_;
    google::protobuf::Arena arena_;
    ReceivedRequest<Request> received_;
  };
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ARENA_MESSAGES_H_
