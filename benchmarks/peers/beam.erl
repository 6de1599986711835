%% The programs of beam.escript: one process here and one on Node, which may be this node.
-module(beam).
-export([measure/4, pingpong/3, flood/3, spawn_to_exit/3]).
-export([pong/2, take/1, nothing/0]).

measure(Program, Node, Message, Count) ->
    apply(?MODULE, Program, [Node, Message, Count div 10]),
    {Microseconds, _} = timer:tc(?MODULE, Program, [Node, Message, Count]),
    Count * 1000000 / Microseconds.

pingpong(Node, Message, Messages) ->
    Partner = spawn(Node, ?MODULE, pong, [self(), Messages div 2]),
    ping(Partner, Message, Messages div 2).

ping(_, _, 0) -> ok;
ping(Partner, Message, N) ->
    Partner ! Message,
    receive _ -> ping(Partner, Message, N - 1) end.

pong(_, 0) -> ok;
pong(Partner, N) ->
    receive Message -> Partner ! Message end,
    pong(Partner, N - 1).

flood(Node, Message, Messages) ->
    {Taker, Ref} = spawn_monitor(Node, ?MODULE, take, [Messages]),
    send(Taker, Message, Messages),
    receive {'DOWN', Ref, process, Taker, normal} -> ok end.

send(_, _, 0) -> ok;
send(Taker, Message, N) ->
    Taker ! Message,
    send(Taker, Message, N - 1).

take(0) -> ok;
take(N) -> receive _ -> take(N - 1) end.

spawn_to_exit(_, _, 0) -> ok;
spawn_to_exit(Node, Message, Count) ->
    until_all_exited([spawn(Node, ?MODULE, nothing, []) || _ <- lists:seq(1, 100)]),
    spawn_to_exit(Node, Message, Count - 100).

nothing() -> ok.

until_all_exited(Batch) ->
    case lists:any(fun is_process_alive/1, Batch) of
        true -> erlang:yield(), until_all_exited(Batch);
        false -> ok
    end.
