-module(big).
-export([main/2, pinger/3]).

main(Processes, Pings) ->
    Me = self(),
    Everybody = [spawn_link(?MODULE, pinger, [N, Me, Pings]) || N <- lists:seq(0, Processes - 1)],
    Pids = list_to_tuple(Everybody),
    [Pid ! {everybody, Pids} || Pid <- Everybody],
    [receive done -> ok end || _ <- Everybody],
    [Pid ! stop || Pid <- Everybody],
    lists:sum([receive Answered -> Answered end || _ <- Everybody]).

pinger(Number, Boss, Pings) ->
    receive {everybody, Pids} -> ok end,
    loop(ping(lehmer:seed(Number), Pids), Boss, Pids, Pings, 0).

ping(State, Pids) ->
    Next = lehmer:next(State),
    element(Next rem tuple_size(Pids) + 1, Pids) ! {ping, self()},
    Next.

loop(State, Boss, Pids, Pings, Answered) ->
    receive
        {ping, Sender} -> Sender ! pong, loop(State, Boss, Pids, Pings, Answered + 1);
        pong when Pings > 1 -> loop(ping(State, Pids), Boss, Pids, Pings - 1, Answered);
        pong -> Boss ! done, loop(State, Boss, Pids, 0, Answered);
        stop -> Boss ! Answered
    end.
